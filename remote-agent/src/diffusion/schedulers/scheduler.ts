import type { SchedulerConfig } from '../base-config.ts';

/**
 * One way from noise to a latent, for a fixed number of steps. Steps are taken in order, once each; vectors hold any
 * number of latents. Scalars are computed in f64, elements rounded to f32 once per step.
 */
export interface Scheduler {
  /** What the U-Net is told at each step, from noisy to clean; may be fractional. */
  readonly timesteps: readonly number[];
  /** Standard deviation of the noise to start from. */
  readonly initialSigma: number;
  /** Whether `step` needs fresh noise (standard normal, as long as the sample). */
  readonly needsNoise: boolean;
  /** The sample as the U-Net takes it at step `i`. */
  scaleInput(sample: Float32Array, i: number): Float32Array;
  /** The sample after step `i`, from the sample before it and what the U-Net said. */
  step(sample: Float32Array, output: Float32Array, i: number, noise?: Float32Array): Float32Array;
}

export interface SchedulerOptions {
  readonly steps: number;
  /** DDIM alone: 0 for the deterministic process, 1 for DDPM's variance. */
  readonly eta?: number;
}

export type SchedulerMaker = (config: SchedulerConfig, options: SchedulerOptions) => Scheduler;

/** Element-wise combination of two vectors with f64 arithmetic. */
export function combine(
  a: Float32Array,
  b: Float32Array,
  formula: (x: number, y: number) => number,
): Float32Array {
  const out = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = formula(a[i]!, b[i]!);
  return out;
}
