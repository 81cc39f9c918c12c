import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Lap } from '../src/common/lap.ts';
import { resolveSpec } from '../src/dataset/spec.ts';
import { openBase } from '../src/diffusion/base.ts';
import { createJob } from '../src/jobs/job.ts';
import { startTrainer } from '../src/jobs/start.ts';
import { loadSubject } from '../src/subject/load.ts';
import type { SpecOverrides, TrainSpec } from '../src/subject/train-spec.ts';

/** A part of a run and how long it took. */
export interface Part {
  readonly part: string;
  readonly ms: number;
}

export interface MeasuredRun {
  /** From the start of the trainer's process to its first `step` event here, milliseconds. */
  readonly firstStepMs: number;
  /** Before the first step's end. */
  readonly startUp: readonly Part[];
  /** Each further step, in parts that add up to it. */
  readonly steps: readonly (readonly Part[])[];
}

const beside = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Runs the real trainer on a sample subject and listens to the laps of its work. */
export async function measuredRun(
  subject: string,
  method: 'para' | 'lora',
  steps: number,
  overrides: SpecOverrides = {},
): Promise<MeasuredRun> {
  const folder = mkdtempSync(join(tmpdir(), 'para-bench-'));
  const laps = join(folder, 'laps.json');
  const job = join(folder, 'job');
  try {
    const baseOf = (name: string) => ({ name, hash: openBase(name).hash });
    const made = resolveSpec(loadSubject(subject), { method, steps, ...overrides }, baseOf);
    // Neither samples nor validation: their sessions are no part of a step.
    const spec: TrainSpec = {
      ...made,
      samples: { ...made.samples, prompts: [] },
      validation: { ...made.validation, every: 0 },
      checkpoints: { every: 50, keep: [], best: false },
    };
    createJob(job, spec);
    process.env.PARA_BENCH_LAPS = laps;
    process.env.NODE_OPTIONS = `--import=${pathToFileURL(beside('bench-laps.js'))}`;
    const begin = performance.timeOrigin + performance.now();
    let firstStepMs = 0;
    const trainer = startTrainer(job, ({ type }) => {
      if (type === 'step' && firstStepMs === 0)
        firstStepMs = performance.timeOrigin + performance.now() - begin;
    });
    delete process.env.NODE_OPTIONS;
    const exit = await trainer.done;
    if (exit.outcome !== 'finished') throw new Error(exit.error?.message ?? exit.outcome);
    return { firstStepMs, ...split(laps, begin) };
  } finally {
    delete process.env.NODE_OPTIONS;
    delete process.env.PARA_BENCH_LAPS;
    rmSync(folder, { recursive: true, force: true });
  }
}

function split(file: string, begin: number): Pick<MeasuredRun, 'startUp' | 'steps'> {
  const { origin, laps } = JSON.parse(readFileSync(file, 'utf8')) as { origin: number; laps: Lap[] };
  let last = begin - origin;
  const parts = laps.map(({ part, at }) => {
    const ms = at - last;
    last = at;
    return { part, ms };
  });
  const first = parts.findIndex(({ part }) => part === 'event') + 1;
  const steps: Part[][] = [[]];
  for (const part of parts.slice(first)) {
    steps.at(-1)!.push(part);
    if (part.part === 'event') steps.push([]);
  }
  // What follows the last event belongs to no step that was made.
  return { startUp: parts.slice(0, first), steps: steps.slice(0, -1) };
}
