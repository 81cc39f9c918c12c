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
  const { group, examples } = shownIn(spec, set, step, pass);
  const draws = examples.map((at): Draw => {
    const example = group.examples[at]!;
    const timestep = random.integer(schedule.alphasCumprod.length);
    const dropped = random.uniform() < spec.captionDropout;
    const noise = drawNoise(random, example.latent.length, latentChannels, spec.noiseOffset);
    return { example, timestep, noise, text: dropped ? set.empty : example };
  });
  return { group, batch: assemble(draws, schedule, spec.minSnrGamma) };
}

/**
 * Which examples the batch at `position` (0, 1, 2, ...) shows: indices within one group. As many batches as there are
 * examples make a period, in which every example is shown `batch` times: a group of n examples gives n of its batches.
 * These follow each other, so that a session for each size is made once a period; the groups come in a new order each
 * period. Within a group the examples come in a new order each time all were shown.
 */
export function shownExamples(
  seed: number,
  counts: readonly number[],
  batch: number,
  position: number,
): { group: number; examples: number[] } {
  const total = counts.reduce((a, b) => a + b, 0);
  const period = Math.floor(position / total);
  let earlier = position % total;
  let group = 0;
  if (counts.length > 1) {
    const order = new Random(seed, `sizes:${period}`).shuffled(counts.map((_, i) => i));
    let at = 0;
    while (earlier >= counts[order[at]!]!) earlier -= counts[order[at++]!]!;
    group = order[at]!;
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

/** What the forward pass of a step shows: a group, and which of its examples. */
function shownIn(spec: TrainSpec['training'], { groups }: Examples, step: number, pass: number) {
  const counts = groups.map((group) => group.examples.length);
  const position = (step - 1) * spec.accumulation + pass;
  const { group, examples } = shownExamples(spec.seed, counts, spec.batch, position);
  return { group: groups[group]!, examples };
}

/** The group that the first forward pass of a step (from 1) shows. */
export const groupOfStep = (spec: TrainSpec['training'], set: Examples, step: number): ExampleGroup =>
  shownIn(spec, set, step, 0).group;

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
