import { Random } from '../common/random.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import type { StepBatch } from './engine.ts';
import type { Example, Examples } from './examples.ts';
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

/**
 * The batch of one forward pass. Everything random follows from (seed, step, pass), so that a resumed run draws what
 * the first one would have drawn. Pictures are shown in a new order each epoch.
 */
export function trainingBatch(
  spec: TrainSpec['training'],
  set: Examples,
  schedule: NoiseSchedule,
  latentChannels: number,
  step: number,
  pass: number,
): StepBatch {
  const count = set.examples.length;
  const random = new Random(spec.seed, `step:${step}:${pass}`);
  const draws: Draw[] = [];
  for (let b = 0; b < spec.batch; b++) {
    const shown = ((step - 1) * spec.accumulation + pass) * spec.batch + b;
    const example = set.examples[epochOrder(spec.seed, Math.floor(shown / count), count)[shown % count]!]!;
    const timestep = random.integer(schedule.alphasCumprod.length);
    const dropped = random.uniform() < spec.captionDropout;
    const noise = drawNoise(random, example.latent.length, latentChannels, spec.noiseOffset);
    draws.push({ example, timestep, noise, text: dropped ? set.empty : example });
  }
  return assemble(draws, schedule, spec.minSnrGamma);
}

/** A shuffled order of the pictures for one epoch (Fisher-Yates). */
function epochOrder(seed: number, epoch: number, count: number): number[] {
  const random = new Random(seed, `epoch:${epoch}`);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Seed of validation noise: the same for every run, so that runs compare. */
const validationSeed = 20_250_424;

/** Fixed batches (of one) for validation: each picture at `timesteps` evenly spread timesteps, fixed noise. */
export function validationBatches(
  set: Examples,
  schedule: NoiseSchedule,
  latentChannels: number,
  timesteps: number,
): StepBatch[] {
  const total = schedule.alphasCumprod.length;
  return set.examples.flatMap((example, i) =>
    Array.from({ length: timesteps }, (_, k) => {
      const random = new Random(validationSeed, `validation:${i}:${k}`);
      const timestep = Math.floor(((k + 0.5) * total) / timesteps);
      const noise = drawNoise(random, example.latent.length, latentChannels, 0);
      return assemble([{ example, timestep, noise, text: example }], schedule, null);
    }),
  );
}
