import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { adapterFrom, saveAdapter } from '../../src/adapters/adapter.ts';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { normals } from '../../src/common/random.ts';
import { pngText } from '../../src/dataset/png-text.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { parseRecipe } from '../../src/diffusion/recipe.ts';
import { putAdapter } from '../../src/hosts/remote-adapters.ts';
import { generateOnHost, type HostDrawing, type HostPreview } from '../../src/hosts/remote-generation.ts';
import { takeLock } from '../../src/jobs/lock.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { findLayers } from '../../src/onnx/modules.ts';
import type { GenerationProgress } from '../../src/protocol/contract/generation.ts';
import { localHost, Para, sessionsTo } from './agent-host.ts';

const work = mkdtempSync(join(tmpdir(), 'para-gen-'));
const home = join(work, 'here');
const root = join(work, 'host');
const host = localHost('there', root, home);
const adapters = { lora: join(work, 'strong.safetensors'), para: join(work, 'turn.safetensors') };

const wish: HostDrawing = {
  base: 'pocket-sdxl',
  prompt: 'a red robot in the snow',
  negative: 'blurry',
  seed: 5,
  steps: 4,
  guidance: 5,
  scheduler: 'ddim',
  count: 1,
  adapters: [],
  device: 'cpu',
};

beforeAll(() => {
  mkdirSync(home, { recursive: true });
  const base = openBase('pocket-sdxl');
  const layers = chooseLayers(findLayers(loadGraph(base.unet.path)).layers, 'attention');
  for (const name of ['lora', 'para'] as const) {
    const plan = methodByName(name).plan(layers, name === 'lora' ? { rank: 2 } : { gamma: 0.5, rank: 2 });
    const values = normals(1, name, plan.parameterCount).map((x) => x * 0.2);
    saveAdapter(adapters[name], adapterFrom(plan, values, { title: name, baseHash: base.hash }));
  }
});
const { open, close } = sessionsTo(host);
afterAll(async () => {
  close();
  for (const pid of generators()) process.kill(pid);
  rmSync(work, { recursive: true, force: true });
});

const folder = join(root, 'generators');

/** Processes that hold the lock of a generator. */
function generators(): number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.lock'))
    .map((name) => (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { pid: number }).pid)
    .filter(isAlive);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The file that `para generate` writes here for the same wish. */
async function drawnHere(name: string, drawing: HostDrawing, args: string[] = []): Promise<Buffer> {
  const out = join(work, `${name}.png`);
  const { prompt, negative, seed, steps, guidance } = drawing;
  const words = { prompt, negative, seed, steps, guidance, out };
  const options = Object.entries(words).flatMap(([key, value]) => [`--${key}`, String(value)]);
  await Para.run(home, ['generate', ...options, ...args]);
  return readFileSync(out);
}

it('draws the very files that para generate writes here, whatever the generator drew before', async () => {
  const session = await open();
  const drawn = async (drawing: HostDrawing) => Buffer.from((await generateOnHost(session, drawing))[0]!.png);
  const { sha256 } = await putAdapter(session, adapters.lora);
  const other = await putAdapter(session, adapters.para);
  const plain = await drawn(wish);
  expect(plain.equals(await drawnHere('plain', wish))).toBe(true);

  const here = await drawnHere('lora', wish, ['--adapter', `${adapters.lora}:0.5`]);
  const recipe = parseRecipe(pngText(here, 'para-studio')!, 'lora.png');
  const withLora = {
    ...wish,
    adapters: recipe.adapters.map((adapter) => ({ ...adapter, source: { sha256 } })),
  };
  expect((await drawn(withLora)).equals(here)).toBe(true);
  const withPara = {
    ...wish,
    adapters: [{ source: other, strength: 1, file: 'turn.safetensors' }],
  };
  expect((await drawn(withPara)).equals(here)).toBe(false);
  expect((await drawn(wish)).equals(plain)).toBe(true);
  expect((await drawn(withLora)).equals(here)).toBe(true);
});

it('serves all clients from one process, which no port and no other user reaches, and which ends when idle', async () => {
  const first = await open();
  const second = await open();
  const pictures = await Promise.all(
    [first, second].map((session) => generateOnHost(session, { ...wish, seed: 6 })),
  );
  expect(pictures[0]![0]!.png).toEqual(pictures[1]![0]!.png);
  expect(generators()).toHaveLength(1);
  const [pid] = generators();
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  const socket = readdirSync(folder).find((name) => name.endsWith('.sock'))!;
  expect(statSync(join(folder, socket)).mode & 0o777).toBe(0o600);
  await generateOnHost(first, { ...wish, steps: 1, idleSeconds: 1 });
  first.channel.kill();
  second.channel.kill();
  while (isAlive(pid!)) await new Promise((resume) => setTimeout(resume, 50));
  expect(readdirSync(folder)).toEqual([]);
});

it('counts as work for the idle command, which runs after it on a host that never trained', async () => {
  const idle = (...words: string[]) =>
    spawnSync('sh', [join(root, 'agent/current/para-agent'), 'idle-command', ...words], { encoding: 'utf8' });
  const marker = join(work, 'idle');
  const command = [process.execPath, '-e', 'require("fs").writeFileSync(process.argv[1], "")', marker];
  // Longer than the generator stays after its last picture.
  expect(idle('0.08', '--', ...command).status).toBe(0);
  await generateOnHost(await open(), { ...wish, steps: 1, idleSeconds: 1 });
  expect(existsSync(marker)).toBe(false);
  while (!existsSync(marker)) await new Promise((resume) => setTimeout(resume, 50));
  expect(generators()).toEqual([]);
  expect(idle('off').status).toBe(0);
});

it('tells of each step, and of previews that show what is coming without changing it', async () => {
  const session = await open();
  const progress: GenerationProgress['progress'][] = [];
  const previews: HostPreview[] = [];
  const drawing = { ...wish, steps: 6, count: 2 };
  const [a, b] = await generateOnHost(
    session,
    { ...drawing, previewEvery: 2 },
    (p) => {
      progress.push(p);
    },
    { onPreview: (p) => previews.push(p) },
  );
  expect(progress.filter((p) => p.at === 'step').map((p) => [p.picture, p.step])).toEqual(
    [0, 1].flatMap((picture) => [1, 2, 3, 4, 5, 6].map((step) => [picture, step])),
  );
  expect(previews.map((p) => [p.picture, p.step])).toEqual([
    [0, 2],
    [0, 4],
    [1, 2],
    [1, 4],
  ]);
  for (const { png } of previews) expect(Buffer.from(png.subarray(1, 4)).toString()).toBe('PNG');
  const plain = await generateOnHost(session, drawing);
  expect([a!.png, b!.png]).toEqual(plain.map((p) => p.png));
});

it('stops a drawing that is cancelled, and one that a newer request of its lane overtakes', async () => {
  const session = await open();
  const endless = { ...wish, steps: 900, lane: 'panel-1' };
  const control = new AbortController();
  const cancelled = generateOnHost(
    session,
    endless,
    (p) => {
      if (p.at === 'step' && p.step === 2) control.abort();
    },
    { signal: control.signal },
  );
  await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
  let begun!: () => void;
  const running = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const older = generateOnHost(session, endless, (p) => {
    if (p.at === 'step') begun();
  });
  const overtaken = expect(older).rejects.toMatchObject({ code: 'cancelled' });
  await running;
  const newer = await generateOnHost(session, { ...wish, lane: 'panel-1' });
  await overtaken;
  expect(newer).toHaveLength(1);
});

it('draws the same picture though the generator is killed in the middle', async () => {
  const session = await open();
  const drawing = { ...wish, steps: 30 };
  let killed = 0;
  const [picture] = await generateOnHost(session, drawing, (p) => {
    if (p.at === 'step' && p.step === 8 && killed++ === 0) process.kill(generators()[0]!, 'SIGKILL');
  });
  expect(killed).toBe(2);
  expect(picture!.png).toEqual((await generateOnHost(session, drawing))[0]!.png);
});

it('leaves when training begins in its slot, and its memory with it', async () => {
  const session = await open();
  await generateOnHost(session, { ...wish, steps: 1 });
  const [pid] = generators();
  mkdirSync(join(root, 'slots'), { recursive: true });
  const unlock = takeLock(join(root, 'slots/cpu.lock'));
  try {
    while (isAlive(pid!)) await new Promise((resume) => setTimeout(resume, 50));
    await generateOnHost(session, { ...wish, steps: 1 });
    await new Promise((resume) => setTimeout(resume, 1000));
    expect(generators()).toHaveLength(1);
  } finally {
    unlock();
  }
});

it('says by name what cannot be drawn', async () => {
  const session = await open();
  const fails = (change: Partial<HostDrawing>, code: string) =>
    expect(generateOnHost(session, { ...wish, ...change })).rejects.toMatchObject({ code });
  await fails({ base: 'nothing' }, 'base');
  await fails({ baseHash: 'f'.repeat(64) }, 'base');
  await fails({ width: 13 }, 'settings');
  await fails({ scheduler: 'none' }, 'settings');
  await fails({ adapters: [{ source: { sha256: 'a'.repeat(64) }, strength: 1, file: 'x' }] }, 'adapter');
  await fails({ adapters: [{ source: { job: 'no-job' }, strength: 1, file: 'x' }] }, 'run');
  await fails({ adapters: [{ source: { job: '../..' }, strength: 1, file: 'x' }] }, 'protocol');
});
