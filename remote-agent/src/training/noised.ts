import { Random } from '../common/random.ts';
import { together } from '../diffusion/rows.ts';
import { noisedExample, type Prediction } from './objective.ts';

/** What the noise of the base looks like. */
export interface NoiseSchedule {
  /** Cumulative alphas, f32[timesteps]. */
  readonly alphasCumprod: Float32Array;
  readonly prediction: Prediction;
}

/** What is the same for all batches of a run. */
export interface NoiseSettings {
  readonly seed: number;
  readonly schedule: NoiseSchedule;
  readonly channels: number;
  readonly captionDropout: number;
  readonly noiseOffset: number;
  readonly minSnrGamma: number | null;
}

/** The pictures of one forward pass. */
export interface Shown {
  readonly step: number;
  readonly pass: number;
  /** Latents of each, f32[C * h * w]. */
  readonly latents: readonly Float32Array[];
}

/** What chance makes of them: vectors hold the whole batch. */
export interface Noised {
  readonly noisy: Float32Array;
  readonly target: Float32Array;
  readonly weights: Float32Array;
  readonly timesteps: readonly number[];
  /** Whether an example is shown without its caption. */
  readonly dropped: readonly boolean[];
}

/** Everything random of a batch follows from (seed, step, pass), so that a resumed run draws what the first one would have. */
export function noised(settings: NoiseSettings, { step, pass, latents }: Shown): Noised {
  const { schedule, channels, captionDropout, noiseOffset, minSnrGamma } = settings;
  const { alphasCumprod, prediction } = schedule;
  const random = new Random(settings.seed, `step:${step}:${pass}`);
  const draws = latents.map((latent) => {
    const timestep = random.integer(alphasCumprod.length);
    const dropped = random.uniform() < captionDropout;
    const noise = drawNoise(random, latent.length, channels, noiseOffset);
    const made = noisedExample(latent, noise, alphasCumprod[timestep]!, prediction, minSnrGamma);
    return { timestep, dropped, made };
  });
  return {
    noisy: join(draws.map(({ made }) => made.noisy)),
    target: join(draws.map(({ made }) => made.target)),
    weights: Float32Array.from(draws, ({ made }) => made.weight),
    timesteps: draws.map(({ timestep }) => timestep),
    dropped: draws.map(({ dropped }) => dropped),
  };
}

export function drawNoise(random: Random, length: number, channels: number, offset: number): Float32Array {
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

/** Vectors of a batch one after the other; one alone as it is. */
export const join = (parts: readonly Float32Array[]): Float32Array =>
  parts.length === 1 ? parts[0]! : together(parts);
