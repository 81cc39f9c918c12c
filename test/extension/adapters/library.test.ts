import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeSafetensors } from '../../../remote-agent/src/adapters/safetensors.ts';
import { writeStatus } from '../../../remote-agent/src/jobs/job.ts';
import { AdapterLibrary, isResult, readMetadata } from '../../../src/adapters/library.ts';
import { emptyTrash, putAway, takeBack } from '../../../src/platform/trash.ts';
import { RunStore } from '../../../src/runs/store.ts';

let root: string;
let store: RunStore;
let library: AdapterLibrary;
const before = process.env.PARA_HOME;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'para-library-'));
  process.env.PARA_HOME = root;
  store = new RunStore(join(root, 'runs'), join(root, 'runs.json'));
  library = new AdapterLibrary(store);
});
afterEach(() => {
  library.dispose();
  store.dispose();
  rmSync(root, { recursive: true, force: true });
  if (before === undefined) delete process.env.PARA_HOME;
  else process.env.PARA_HOME = before;
});

const adapterBytes = (metadata: Record<string, string>) =>
  encodeSafetensors(
    new Map([['x.para_B.weight', { dims: [2, 1], data: new Float32Array([1, 2]) }]]),
    metadata,
  );

function finishedRun(id: string): string {
  const directory = join(root, 'runs', id);
  mkdirSync(directory, { recursive: true });
  const spec = {
    ...{ version: 1, subject: 'dog', base: { name: 'pocket-sdxl', hash: 'ab' }, method: { name: 'para' } },
    createdAt: '2026-01-01T00:00:00Z',
  };
  writeFileSync(join(directory, 'spec.json'), JSON.stringify(spec));
  writeStatus(directory, { state: 'finished', step: 200, steps: 200 });
  return directory;
}

test('holds what was trained and what was imported, by the names that prompts use', async () => {
  const directory = finishedRun('run-1');
  writeFileSync(join(directory, 'adapter.safetensors'), adapterBytes({}));
  mkdirSync(join(root, 'adapters'));
  writeFileSync(
    join(root, 'adapters/teapot.safetensors'),
    adapterBytes({ ss_network_module: 'networks.lora', ss_sd_model_name: 'sdxl' }),
  );
  await store.start();
  expect((await library.all()).map(({ name, method, base }) => [name, method, base])).toEqual([
    ['run-1', 'para', 'pocket-sdxl'],
    ['teapot', 'lora', 'sdxl'],
  ]);
  expect((await library.find('dog'))?.name).toBe('run-1');
});

test('finds an adapter that comes home after its run was told to be finished', async () => {
  const directory = finishedRun('run-1');
  await store.start();
  expect(await library.all()).toEqual([]);
  writeFileSync(join(directory, 'adapter.safetensors'), adapterBytes({}));
  expect((await library.all()).map(({ name }) => name)).toEqual(['run-1']);
});

test('takes what a run kept on the way until it ends, the newest first', async () => {
  const directory = finishedRun('run-1');
  writeStatus(directory, { state: 'running', step: 120, steps: 200 });
  mkdirSync(join(directory, 'checkpoints'));
  await store.start();
  const steps = async () => (await library.all()).map((one) => [one.steps, isResult(one.run, one.file)]);
  const keep = (name: string, step: number) =>
    writeFileSync(join(directory, name), adapterBytes({ ss_steps: String(step) }));
  expect(await steps()).toEqual([]);
  keep('checkpoints/state.safetensors', 120);
  keep('checkpoints/best.safetensors', 50);
  expect(await steps()).toEqual([[50, false]]);
  keep('checkpoints/step-000100.safetensors', 100);
  expect(await steps()).toEqual([[100, false]]);
  keep('adapter.safetensors', 150);
  expect(await steps()).toEqual([[150, true]]);
});

test('tells of files that another window or a terminal put there, and took away', async () => {
  await store.start();
  expect(await library.all()).toEqual([]);
  const told = new Promise<void>((resolve) => library.onChange(resolve));
  writeFileSync(join(root, 'adapters/teapot.safetensors'), adapterBytes({}));
  await told;
  expect((await library.all()).map(({ name }) => name)).toEqual(['teapot']);
  const again = new Promise<void>((resolve) => library.onChange(resolve));
  rmSync(join(root, 'adapters/teapot.safetensors'));
  await again;
  expect(await library.all()).toEqual([]);
});

test('passes over files that only have the name of an adapter', async () => {
  mkdirSync(join(root, 'adapters'));
  const file = join(root, 'adapters/broken.safetensors');
  for (const bytes of ['', 'short', Buffer.alloc(64, 0xff)]) {
    writeFileSync(file, bytes);
    expect(await readMetadata(file)).toBeUndefined();
  }
  await store.start();
  expect(await library.all()).toEqual([]);
});

test('a deleted file is out of the library, can be had back, and is gone for good later', async () => {
  const folder = join(root, 'adapters');
  const file = join(folder, 'teapot.safetensors');
  mkdirSync(folder);
  writeFileSync(file, adapterBytes({}));
  await store.start();
  const names = async () => (await library.all()).map(({ name }) => name);
  const deleted = await putAway(file);
  expect(await names()).toEqual([]);
  await emptyTrash(folder);
  await takeBack(deleted);
  expect(await names()).toEqual(['teapot']);
  await putAway(file);
  await emptyTrash(folder, -1);
  expect(readdirSync(folder)).toEqual([]);
});
