import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { program } from './program.ts';

const agent = join(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'para-package-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs a program that is to succeed; what it said. */
async function run(words: readonly string[], cwd = work): Promise<string> {
  const { code, said } = await program(words, { cwd, home: join(work, 'home') });
  expect(code, said).toBe(0);
  return said;
}

describe('the package of the agent', () => {
  it('holds all that para needs: it lists its base, draws and trains away from the project', async () => {
    await run(['npm', 'pack', '--ignore-scripts', '--pack-destination', work], agent);
    const [archive] = readdirSync(work).filter((name) => name.endsWith('.tgz'));
    await run(['tar', '-xzf', archive!]);
    // The libraries are those of the project: what is shown is that the files of the package are whole.
    symlinkSync(join(agent, '../node_modules'), join(work, 'node_modules'));
    const inside = readdirSync(join(work, 'package'), { recursive: true, encoding: 'utf8' });
    expect(inside.filter((name) => /(^|\/)(src|test|bench|fuzz|node_modules)(\/|$)/.test(name))).toEqual([]);
    const forHosts = join(work, 'package/dist/host');
    const manifest = JSON.parse(readFileSync(join(forHosts, 'manifest.json'), 'utf8'));
    for (const part of ['agent', 'bases', 'setup'])
      expect(existsSync(join(forHosts, manifest[part].file)), part).toBe(true);

    const para = join(work, 'package/bin/para.js');
    expect(await run(['node', para, 'base', 'list'])).toMatch(/^pocket-sdxl .* sdxl /m);
    await run(['node', para, 'generate', '--prompt', 'a dog', '--steps', '1', '--out', 'dog.png']);
    const subject = join(agent, '../examples/dog/dog.para.json');
    await run(['node', para, 'train', subject, '--steps', '1', '--out', 'run']);
    expect(existsSync(join(work, 'run/adapter.safetensors'))).toBe(true);
  });
});
