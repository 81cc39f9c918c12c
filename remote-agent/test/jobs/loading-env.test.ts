import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { directLauncher } from '../../src/jobs/launcher.ts';
import { startTrainer } from '../../src/jobs/start.ts';

const work = mkdtempSync(join(tmpdir(), 'para-loading-env-'));
// In the trainer's place a program that tells what it was started with.
const bundle = join(work, 'trainer.mjs');
writeFileSync(
  bundle,
  `import { writeFileSync } from 'node:fs';
   writeFileSync(process.argv[2] + '/env.json', JSON.stringify(process.env));
   process.disconnect?.();`,
);
afterAll(() => rmSync(work, { recursive: true, force: true }));
afterEach(() => {
  delete process.env.MALLOC_MMAP_THRESHOLD_;
});

const ways = {
  here: async (directory: string) => {
    expect((await startTrainer(directory, () => {}, bundle).done).outcome).toBe('finished');
  },
  'of a queue': async (directory: string) => {
    expect(await directLauncher(bundle).run(directory, '0')).toBe(0);
  },
};

describe.each(Object.entries(ways))('a trainer %s', (name, start) => {
  async function environment(run: string): Promise<NodeJS.ProcessEnv> {
    const directory = join(work, `${name}-${run}`);
    mkdirSync(directory);
    await start(directory);
    return JSON.parse(readFileSync(join(directory, 'env.json'), 'utf8')) as NodeJS.ProcessEnv;
  }

  it('is started so that weights which it frees leave no holes in its memory', async () => {
    const { MALLOC_MMAP_THRESHOLD_: mapped, MALLOC_TRIM_THRESHOLD_: kept } = await environment('plain');
    expect(Number(mapped)).toBe(2 ** 20);
    expect(Number(kept)).toBeGreaterThan(Number(mapped));
  });

  it('keeps what was set before it was started', async () => {
    process.env.MALLOC_MMAP_THRESHOLD_ = '123456';
    expect((await environment('own')).MALLOC_MMAP_THRESHOLD_).toBe('123456');
  });
});
