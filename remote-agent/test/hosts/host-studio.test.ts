import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterFrom, saveAdapter } from '../../src/adapters/adapter.ts';
import { baseWeights } from '../../src/adapters/base-weights.ts';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { checkout, localHost, Para } from './agent-host.ts';

const work = mkdtempSync(join(tmpdir(), 'para-host-studio-'));
const home = join(work, 'client');
const adapter = join(work, 'random.safetensors');
const base = 'pocket-sdxl';

beforeAll(() => {
  localHost('gpu', join(work, 'host'), home);
  const opened = openBase(join(checkout, 'remote-agent/bases', base));
  const method = methodByName('para');
  const plan = method.plan(chooseLayers(baseWeights(opened.unet.path).layers, ['attention']), {});
  const info = { title: 'random', baseName: base, baseHash: opened.hash };
  saveAdapter(adapter, adapterFrom(plan, method.initialise(plan, 5), info));
});
afterAll(async () => {
  rmSync(work, { recursive: true, force: true });
});

/** Files that a command writes here and with `--host`, to be compared. */
async function both(args: readonly string[], name: string): Promise<[Buffer, Buffer]> {
  const [here, there] = [join(work, `here-${name}`), join(work, `there-${name}`)];
  await Para.run(home, [...args, '--out', here]);
  await Para.run(home, [...args, '--host', 'gpu', '--out', there]);
  return [readFileSync(here), readFileSync(there)];
}

describe('with --host', () => {
  it('a picture with an adapter of this machine is the file that it would be here', async () => {
    const args = [
      'generate',
      '--prompt',
      'a red apple on the beach',
      '--adapter',
      `${adapter}:0.5`,
      '--seed',
      '7',
    ];
    const [here, there] = await both([...args, '--steps', '4'], 'apple.png');
    expect(there.equals(here)).toBe(true);
  });

  it('several pictures and their grid are those that they would be here', async () => {
    const [here, there] = await both(
      ['generate', '--prompt', 'a cat', '--count', '3', '--steps', '2', '--scheduler', 'euler-ancestral'],
      'cats.png',
    );
    expect(there.equals(here)).toBe(true);
    expect(readFileSync(join(work, 'there-cats-3.png'))).toEqual(readFileSync(join(work, 'here-cats-3.png')));
  });

  it('a comparison is the sheet that it would be here', async () => {
    const prompts = join(work, 'two.prompts');
    writeFileSync(prompts, 'a green dog --s 2\na house --d 9 --s 2\n');
    const [here, there] = await both(
      ['compare', adapter, `${adapter}:0.3`, '--prompts', prompts],
      'sheet.png',
    );
    expect(there.equals(here)).toBe(true);
  });

  it('an export is the file that it would be here', async () => {
    const [here, there] = await both(
      ['export', adapter, '--format', 'kohya', '--as', 'lora'],
      'lora.safetensors',
    );
    expect(there.equals(here)).toBe(true);
  });

  it('a base is taken there, checked, trained on, and deleted when nothing needs it', async () => {
    const tiny = join(checkout, 'remote-agent/test/golden/bases/tiny-optimum');
    await Para.run(home, ['base', 'import', tiny, '--name', 'tiny', '--host', 'gpu']);
    expect(await Para.run(home, ['base', 'list', '--host', 'gpu'])).toMatch(/^tiny .*sdxl.*\n^pocket-sdxl /m);
    expect(await Para.run(home, ['base', 'check', 'tiny', '--host', 'gpu'])).toContain('everything works');
    const pictures = join(work, 'pictures');
    mkdirSync(pictures);
    copyFileSync(join(checkout, 'examples/robot/robot-1.png'), join(pictures, 'robot-1.png'));
    const subject = join(pictures, 'robot.para.json');
    writeFileSync(
      subject,
      JSON.stringify({
        ...{ pictures: ['*.png'], class: 'robot', base: 'tiny', training: { steps: 3 } },
        ...{ samples: { every: 0 }, validation: { every: 0 } },
      }),
    );
    await Para.run(home, ['train', subject, '--host', 'gpu', '--out', join(work, 'tiny-run')]);
    expect(await Para.run(home, ['base', 'delete', 'tiny', '--host', 'gpu'])).toMatch(/deleted tiny/);
    const refused = new Para(home, ['train', subject, '--host', 'gpu', '--out', join(work, 'no-run')]);
    expect(await refused.done).toBe(1);
    expect(refused.stderr).toMatch(/has no base "tiny"[\s\S]*it has: pocket-sdxl/);
  });
});
