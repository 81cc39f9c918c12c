import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { importBase } from '../../src/diffusion/base-import.ts';
import { createJob, jobFiles } from '../../src/jobs/job.ts';
import { startTrainer } from '../../src/jobs/start.ts';
import { savedStep } from '../../src/training/checkpoint.ts';
import type { TrainEvent } from '../../src/training/events.ts';
import { train } from '../../src/training/train.ts';
import { ownHome } from '../diffusion/checkpoint-outputs.ts';
import { checkpointGolden, writeCheckpoint } from '../diffusion/random-checkpoint.ts';
import { goldenPath } from '../training/golden.ts';
import { paintAll, tinySpec } from '../training/runs.ts';

const home = ownHome();
const checkpoint = join(home, 'model.safetensors');
const former = join(home, 'former.safetensors');
/** A checkpoint of the same layout whose weights are others. */
const other = join(home, 'other.safetensors');
const bundle = fileURLToPath(new URL('../../dist/trainer.js', import.meta.url));

/** A short run in which training and validation are loaded in turns, every second step. */
const spec = (base = 'model') =>
  tinySpec(home, {
    base,
    method: { layers: 'up_blocks.**.attn2.to_q' },
    training: { steps: 4, resolution: 64, memory: 'fast' },
    validation: { every: 2, timesteps: 1 },
    samples: { every: 0, memory: 'turns' },
    checkpoints: { every: 1 },
  });

/** Trains to the end, or goes on; what is to happen after a step happens as it is told. */
async function run(name: string, after: Record<number, () => void> = {}, made = spec()) {
  const files = jobFiles(join(home, name));
  mkdirSync(join(home, name), { recursive: true });
  const events: TrainEvent[] = [];
  const emit = (event: TrainEvent) => {
    events.push(event);
    if (event.type === 'step') after[event.step]?.();
  };
  await train(made, files, { emit, shouldStop: () => false });
  return { files, events };
}

const adapter = (name: string) => readFileSync(jobFiles(join(home, name)).adapter).toString('base64');
const state = (name: string) => savedStep(jobFiles(join(home, name)).state);

/** Puts a copy of a file where another is, as a download does: under its name once it is whole. */
function replace(path: string, by: string): void {
  copyFileSync(by, `${path}.part`);
  renameSync(`${path}.part`, path);
}

/** Turns the sign of every weight in the middle half of a file of weights. */
function withOthers(path: string, to: string): void {
  const bytes = readFileSync(path);
  const first = 4 * Math.floor(bytes.length / 16);
  for (let at = first + 3; at < 3 * first; at += 4) bytes[at]! ^= 0x80;
  writeFileSync(to, bytes);
}

beforeAll(async () => {
  await paintAll(home, [[64, 64]]);
  writeCheckpoint(checkpoint, checkpointGolden('sd').tensors);
  copyFileSync(checkpoint, former);
  withOthers(checkpoint, other);
  importBase(checkpoint, 'model');
});

describe('a run whose checkpoint is replaced while it works', () => {
  beforeAll(async () => {
    await run('undisturbed');
  });

  it.each([
    ['by one of the same layout', () => replace(checkpoint, other), /: its weights are others$/],
    ['in its place, bytes over bytes', () => copyFileSync(other, checkpoint), /: its weights are others$/],
    ['and gone', () => rmSync(checkpoint), /model\.safetensors$/],
    [
      'by a longer one',
      () => writeFileSync(checkpoint, new Uint8Array(statSync(former).size + 1)),
      /bytes now, .* when it was imported$/,
    ],
  ])(
    '%s keeps its last state, says so, and goes on to the same adapter once it is back',
    async (name, change, how) => {
      await expect(run(name, { 2: change })).rejects.toMatchObject({
        code: 'base',
        where: expect.stringMatching(how),
        hint: expect.stringMatching(
          /^bring the former file back and continue the run \(its state of step 1 is kept/,
        ),
      });
      // Nothing that was computed after the change is kept, and nothing begins with what is there now.
      expect(state(name)).toBe(1);
      await expect(run(name)).rejects.toMatchObject({ code: 'base' });
      replace(checkpoint, former);
      const { events } = await run(name);
      expect(events).toContainEqual({ type: 'resumed', fromStep: 1 });
      expect(adapter(name)).toBe(adapter('undisturbed'));
    },
  );

  it('by itself, touched or copied anew, goes on', async () => {
    await run('touched', {
      1: () => utimesSync(checkpoint, 1, 1),
      3: () => replace(checkpoint, former),
    });
    expect(adapter('touched')).toBe(adapter('undisturbed'));
  });
});

it('a run whose checkpoint is cut off while it reads it ends with why, and goes on to the same adapter once it is back', async () => {
  const { training, validation, checkpoints, ...rest } = spec();
  const made = {
    ...rest,
    training: { ...training, steps: 30 },
    validation: { ...validation, every: 0 },
    checkpoints: { ...checkpoints, every: 0 },
  };
  createJob(join(home, 'cut'), made);
  const start = (after: () => void = () => {}) =>
    startTrainer(
      join(home, 'cut'),
      (event) => {
        if (event.type === 'step' && event.step === 2) after();
      },
      bundle,
    ).done;
  // The runtime maps the file and is ended by the system where the mapping ends.
  expect(await start(() => truncateSync(checkpoint, 4096))).toMatchObject({
    outcome: 'failed',
    error: { message: expect.stringContaining('SIGBUS'), hint: expect.stringContaining('was cut off') },
  });
  expect(await start()).toMatchObject({
    outcome: 'failed',
    error: { code: 'base', message: expect.stringContaining('changed after it was imported') },
  });
  replace(checkpoint, former);
  expect((await start()).outcome).toBe('finished');
  await run('steady', {}, made);
  expect(adapter('cut')).toBe(adapter('steady'));
});

it('a run whose base of its own files is written anew keeps its last state, and goes on once it is as it was', async () => {
  const base = join(home, 'own');
  cpSync(goldenPath('bases/tiny-optimum'), base, { recursive: true });
  const made = { ...spec(base), training: { ...spec(base).training, resolution: 16 } };
  await run('own-whole', {}, made);
  const unet = join(base, 'unet/model.onnx');
  const before = readFileSync(unet);
  const change = () => {
    const bytes = Buffer.from(before);
    bytes[Math.floor(bytes.length / 2)]! ^= 0x80;
    writeFileSync(unet, bytes);
  };
  await expect(run('own-run', { 2: change }, made)).rejects.toMatchObject({
    code: 'base',
    where: expect.stringMatching(/model\.onnx: it was written anew$/),
    hint: expect.stringContaining('its state of step 1 is kept'),
  });
  writeFileSync(unet, before);
  const { events } = await run('own-run', { 3: () => utimesSync(unet, 1, 1) }, made);
  expect(events).toContainEqual({ type: 'resumed', fromStep: 1 });
  expect(adapter('own-run')).toBe(adapter('own-whole'));
});
