import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeAdapter } from '../../src/adapters/adapter.ts';
import { specFor } from '../../src/cli/train.ts';
import { continueTo } from '../../src/jobs/continue.ts';
import { effectiveEvents, type LoggedEvent, readEvents } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles, readStatus } from '../../src/jobs/job.ts';
import { startTrainer } from '../../src/jobs/start.ts';
import type { MethodName } from '../../src/subject/schema.ts';
import { goldenPath } from '../training/golden.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const bundle = join(root, 'remote-agent/dist/trainer.js');
const work = mkdtempSync(join(tmpdir(), 'para-resume-'));
const steps = 60;

/** Six pictures of two shapes. */
async function makePictures(): Promise<void> {
  mkdirSync(join(work, 'pictures'));
  for (const [i, [width, height]] of [
    [256, 256],
    [256, 256],
    [256, 160],
    [256, 150],
    [256, 256],
    [256, 256],
  ].entries())
    await sharp(join(root, `examples/robot/robot-${i + 1}.png`))
      .resize(width, height, { fit: 'cover' })
      .png()
      .toFile(join(work, `pictures/${i + 1}.png`));
}

/** A subject on the tiny base that makes use of all that a run keeps state for, and saves it every 7 steps. */
function makeJob(
  name: string,
  method: MethodName,
  wanted = steps,
  memory: 'auto' | 'turns' = 'auto',
): string {
  const subject = join(work, 'subject.para.json');
  writeFileSync(
    subject,
    JSON.stringify({
      base: goldenPath('bases/tiny-optimum'),
      pictures: ['pictures'],
      trigger: 'zwx',
      class: 'robot',
      // The last blocks alone: each of the many trainers below starts twice as fast.
      method: { layers: 'up_blocks.**.attn{1,2}.to_*' },
      training: {
        steps: wanted,
        batch: 2,
        seed: 3,
        crop: 'buckets',
        flip: true,
        captionDropout: 0.1,
        noiseOffset: 0.05,
        learningRate: 1e-3,
      },
      samples: { every: 30, steps: 3, prompts: ['a zwx robot'], memory },
      validation: { every: 15, timesteps: 2, share: 0.3 },
      checkpoints: { every: 7, keep: [20], best: true },
    }),
  );
  const directory = join(work, name);
  createJob(directory, specFor(subject, { method, steps: wanted }, '2026-01-02T03:04:05.000Z'));
  return directory;
}

const hashOfFile = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const hashOf = (directory: string) => hashOfFile(jobFiles(directory).adapter);

/** Hashes of everything that a run leaves for its user. */
function resultsOf(directory: string): Record<string, string> {
  const { adapter, samples, checkpoints } = jobFiles(directory);
  const inside = (folder: string) =>
    readdirSync(folder)
      .sort()
      .map((name) => join(folder, name));
  return Object.fromEntries(
    [adapter, ...inside(samples), ...inside(checkpoints)].map((path) => [
      relative(directory, path),
      hashOfFile(path),
    ]),
  );
}

const unfinished = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.tmp'));

interface Kill {
  /** Last step in the log, and last event. */
  readonly step: number;
  readonly after: string;
  /** A checkpoint's unfinished file was left behind. */
  readonly inWrite: boolean;
}

/**
 * Runs a trainer and kills it: at once after step `target`, or as soon as a file appears among the checkpoints after
 * that step. `undefined` when the run came to its end first.
 */
async function runAndKill(directory: string, target: number, atWrite: boolean): Promise<Kill | undefined> {
  const { checkpoints, events } = jobFiles(directory);
  mkdirSync(checkpoints, { recursive: true });
  let armed = false;
  const kill = () => trainer.pid !== undefined && process.kill(trainer.pid, 'SIGKILL');
  const watcher = watch(checkpoints, (_, name) => {
    if (armed && name?.endsWith('.tmp')) {
      armed = false;
      kill();
    }
  });
  const trainer = startTrainer(
    directory,
    (event) => {
      if (event.type !== 'step' || event.step < target) return;
      if (atWrite) armed = true;
      else kill();
    },
    bundle,
  );
  const { outcome } = await trainer.done;
  watcher.close();
  if (outcome === 'finished') return undefined;
  const logged = readEvents(events);
  const last = logged.at(-1)!;
  const step = logged.findLast((e) => e.type === 'step')?.step ?? 0;
  const after =
    last.type === 'phase' ? `phase ${last.name}` : 'step' in last ? `${last.type} ${last.step}` : last.type;
  const inWrite = unfinished(directory).some((name) => dirname(name) === 'checkpoints');
  return { step, after, inWrite };
}

async function finish(directory: string, onEvent: (event: LoggedEvent) => void = () => {}): Promise<void> {
  const { outcome, error } = await startTrainer(directory, onEvent, bundle).done;
  expect(error).toBeUndefined();
  expect(outcome).toBe('finished');
}

let reference = '';
let results: Record<string, string> = {};
beforeAll(async () => {
  await makePictures();
  const directory = makeJob('reference', 'para');
  await finish(directory);
  const notes = readEvents(jobFiles(directory).events).flatMap((e) => (e.type === 'note' ? [e.message] : []));
  expect(notes.join(), 'the run has batches of two sizes').toContain('have 2 sizes');
  reference = hashOf(directory);
  results = resultsOf(directory);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('a run', () => {
  it('gives the same adapters and samples when it is made again, with sessions that take turns', async () => {
    const directory = makeJob('turns', 'para', steps, 'turns');
    await finish(directory);
    expect(resultsOf(directory)).toEqual(results);
    expect(Object.keys(results)).toEqual([
      'adapter.safetensors',
      'samples/step-000030-0.png',
      'samples/step-000060-0.png',
      'checkpoints/best.safetensors',
      'checkpoints/state.safetensors',
      'checkpoints/step-000020.safetensors',
    ]);
  });

  it('ends with the same bytes when it is killed twenty times on its way, some of them inside a write, and resumed', async () => {
    const directory = makeJob('killed', 'para');
    const kills: Kill[] = [];
    while (kills.length < 20) {
      // Spread evenly over the run; every other one waits for the next write of a checkpoint.
      const target = Math.round(((kills.length + 1) * (steps - 8)) / 20);
      const kill = await runAndKill(directory, target, kills.length % 2 === 1);
      expect(kill, `the run ended after ${kills.length} kills`).toBeDefined();
      kills.push(kill!);
      expect(readStatus(directory).state).toBe('interrupted');
    }
    console.log(`killed ${kills.map((k) => `${k.inWrite ? 'in a write ' : ''}after ${k.after}`).join('; ')}`);
    const inWrite = kills.filter((k) => k.inWrite).length;
    expect(inWrite, 'kills that left a half-written checkpoint behind').toBeGreaterThanOrEqual(3);
    for (let quarter = 0; quarter < 4; quarter++) {
      const here = kills.filter((k) => Math.min(3, Math.floor((4 * k.step) / steps)) === quarter);
      expect(here.length, `kills in quarter ${quarter + 1} of the run`).toBeGreaterThanOrEqual(3);
    }
    await finish(directory);
    expect(resultsOf(directory)).toEqual(results);
    const events = readEvents(jobFiles(directory).events);
    expect(events.map((e) => e.seq)).toEqual(events.map((_, i) => i + 1));
    const kept = effectiveEvents(events);
    const made = kept.flatMap((e) => (e.type === 'step' ? [e.step] : []));
    expect(made).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
    const measured = kept.flatMap((e) => (e.type === 'validation' ? [e] : []));
    expect(measured.map((e) => e.step)).toEqual([15, 30, 45, 60]);
    const lowest = measured.reduce((a, b) => (b.loss < a.loss ? b : a)).step;
    expect(kept.findLast((e) => e.type === 'checkpoint' && e.best)).toMatchObject({ step: lowest });
    expect(unfinished(directory), 'half-written files').toEqual([]);
  });

  it('saves its state and its adapter when it is asked to stop, and goes on from exactly there', async () => {
    const directory = makeJob('stopped', 'para');
    const trainer = startTrainer(
      directory,
      (e) => e.type === 'step' && e.step === 17 && trainer.stop(),
      bundle,
    );
    expect((await trainer.done).outcome).toBe('stopped');
    const { state, step } = readStatus(directory);
    expect(state).toBe('stopped');
    const { adapter } = jobFiles(directory);
    expect(decodeAdapter(readFileSync(adapter), adapter).info.steps).toBe(step);
    expect(readEvents(jobFiles(directory).events).at(-1)).toMatchObject({ type: 'stopped', file: adapter });
    const resumed: number[] = [];
    await finish(directory, (e) => e.type === 'resumed' && resumed.push(e.fromStep));
    expect(resumed).toEqual([step]);
    expect(hashOf(directory)).toBe(reference);
  });

  it('equals a longer run when it is continued to its length', async () => {
    const directory = makeJob('continued', 'para', 30);
    await finish(directory);
    continueTo(directory, steps, false);
    await finish(directory);
    expect(hashOf(directory)).toBe(reference);
  });

  it('is refused a second trainer while one works on it', async () => {
    const directory = makeJob('twice-at-once', 'lora', 12);
    let second: Promise<{ outcome: string; error?: { message: string } }> | undefined;
    const first = startTrainer(
      directory,
      (e) => {
        if (e.type === 'step' && e.step === 2) second ??= startTrainer(directory, () => {}, bundle).done;
      },
      bundle,
    );
    expect((await first.done).outcome).toBe('finished');
    const { outcome, error } = await second!;
    expect(outcome).toBe('failed');
    expect(error?.message).toContain('Another process');
  });

  it('keeps what it wrote readable for a reader when its last line is torn', () => {
    const path = join(work, 'torn.jsonl');
    const whole = JSON.stringify({ seq: 1, time: '', type: 'note', message: 'whole' });
    writeFileSync(path, `${whole}\n{"seq":2,"ti`);
    expect(readEvents(path).map((e) => e.seq)).toEqual([1]);
    expect(dirname(path)).toBe(work);
  });
});
