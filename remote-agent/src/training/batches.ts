import { Random } from '../common/random.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import type { StepBatch } from './engine.ts';
import type { Example, ExampleGroup, Examples } from './examples.ts';
import { noisedExample, type Prediction } from './objective.ts';

/** What the noise of the base looks like. */
export interface NoiseSchedule {
  /** Cumulative alphas, f32[timesteps]. */
  readonly alphasCumprod: Float32Array;
  readonly prediction: Prediction;
}

interface Draw {
  readonly example: Example;
  readonly timestep: number;
  readonly noise: Float32Array;
  readonly text: { readonly hidden: Float32Array; readonly pooled: Float32Array };
}

function assemble(draws: readonly Draw[], schedule: NoiseSchedule, gamma: number | null): StepBatch {
  const made = draws.map((d) =>
    noisedExample(d.example.latent, d.noise, schedule.alphasCumprod[d.timestep]!, schedule.prediction, gamma),
  );
  return {
    noisy: join(made.map((m) => m.noisy)),
    target: join(made.map((m) => m.target)),
    weights: Float32Array.from(made, (m) => m.weight),
    timesteps: draws.map((d) => d.timestep),
    hidden: join(draws.map((d) => d.text.hidden)),
    pooled: join(draws.map((d) => d.text.pooled)),
    timeIds: join(draws.map((d) => d.example.timeIds)),
  };
}

function join(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const out = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function drawNoise(random: Random, length: number, channels: number, offset: number): Float32Array {
  const noise = new Float32Array(length);
  for (let i = 0; i < length; i++) noise[i] = random.normal();
  if (offset > 0) {
    const plane = length / channels;
    for (let c = 0; c < channels; c++) {
      const shift = offset * random.normal();
      for (let i = 0; i < plane; i++) noise[c * plane + i] = noise[c * plane + i]! + shift;
    }
  }
  return noise;
}

/** A batch and the group of examples that it comes from, which says for which size its engine is built. */
export interface SizedBatch {
  readonly group: ExampleGroup;
  readonly batch: StepBatch;
}

/**
 * The batch of one forward pass. Everything random follows from (seed, step, pass), so that a resumed run draws what
 * the first one would have drawn.
 */
export function trainingBatch(
  spec: TrainSpec['training'],
  set: Examples,
  schedule: NoiseSchedule,
  latentChannels: number,
  step: number,
  pass: number,
): SizedBatch {
  const random = new Random(spec.seed, `step:${step}:${pass}`);
  const counts = set.groups.map((group) => group.examples.length);
  const shown = shownExamples(spec.seed, counts, spec.batch, (step - 1) * spec.accumulation + pass);
  const group = set.groups[shown.group]!;
  const draws = shown.examples.map((at): Draw => {
    const example = group.examples[at]!;
    const timestep = random.integer(schedule.alphasCumprod.length);
    const dropped = random.uniform() < spec.captionDropout;
    const noise = drawNoise(random, example.latent.length, latentChannels, spec.noiseOffset);
    return { example, timestep, noise, text: dropped ? set.empty : example };
  });
  return { group, batch: assemble(draws, schedule, spec.minSnrGamma) };
}

/** Batches of one group that may follow each other, so that a session that must be made anew is used for a while. */
const blockLength = 8;

/**
 * Which examples the batch at `position` (0, 1, 2, ...) shows: indices within one group. As many batches as there are
 * examples make a period, in which every example is shown `batch` times: a group of n examples gives n of its batches.
 * These come in blocks, in a new order each period; within a group the examples come in a new order each time all were
 * shown.
 */
export function shownExamples(
  seed: number,
  counts: readonly number[],
  batch: number,
  position: number,
): { group: number; examples: number[] } {
  const total = counts.reduce((a, b) => a + b, 0);
  const period = Math.floor(position / total);
  const order = counts.length === 1 ? undefined : groupOrder(seed, period, counts);
  const within = position % total;
  const group = order?.[within] ?? 0;
  let earlier = within;
  if (order) {
    earlier = 0;
    for (let i = 0; i < within; i++) if (order[i] === group) earlier++;
  }
  const count = counts[group]!;
  const name = counts.length === 1 ? 'epoch' : `epoch:${group}`;
  const examples = Array.from({ length: batch }, (_, b) => {
    const shown = (period * count + earlier) * batch + b;
    const epoch = new Random(seed, `${name}:${Math.floor(shown / count)}`);
    return epoch.shuffled(Array.from({ length: count }, (_, i) => i))[shown % count]!;
  });
  return { group, examples };
}

/** The groups of a period's batches, in shuffled blocks. */
function groupOrder(seed: number, period: number, counts: readonly number[]): number[] {
  const blocks = counts.flatMap((count, group) =>
    Array.from({ length: Math.ceil(count / blockLength) }, (_, k) =>
      new Array<number>(Math.min(blockLength, count - k * blockLength)).fill(group),
    ),
  );
  return new Random(seed, `blocks:${period}`).shuffled(blocks).flat();
}

/** Seed of validation noise: the same for every run, so that runs compare. */
const validationSeed = 20_250_424;

/** Fixed batches (of one) for validation: each picture at `timesteps` evenly spread timesteps, fixed noise. */
export function validationBatches(
  set: Examples,
  schedule: NoiseSchedule,
  latentChannels: number,
  timesteps: number,
): SizedBatch[] {
  const total = schedule.alphasCumprod.length;
  return set.groups.flatMap((group) =>
    group.examples.flatMap((example) =>
      Array.from({ length: timesteps }, (_, k) => {
        const random = new Random(validationSeed, `validation:${example.index}:${k}`);
        const timestep = Math.floor(((k + 0.5) * total) / timesteps);
        const noise = drawNoise(random, example.latent.length, latentChannels, 0);
        return { group, batch: assemble([{ example, timestep, noise, text: example }], schedule, null) };
      }),
    ),
  );
}
