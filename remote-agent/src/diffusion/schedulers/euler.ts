import type { SchedulerConfig } from '../base-config.ts';
import { levelAt, sigmas } from './noise-levels.ts';
import { combine, type Scheduler, type SchedulerOptions } from './scheduler.ts';
import { checkSteps, downwards, leading, trailing } from './spacing.ts';

/** Timesteps, their noise levels with a final 0, and the first noise's deviation, for both Euler methods. */
export function eulerLevels(config: SchedulerConfig, steps: number) {
  const { trainTimesteps, stepsOffset } = config;
  checkSteps(steps, trainTimesteps);
  const spacing = config.timestepSpacing ?? 'linspace';
  const timesteps =
    spacing === 'leading'
      ? leading(trainTimesteps, steps, steps, stepsOffset)
      : spacing === 'trailing'
        ? trailing(trainTimesteps, steps)
        : downwards(0, trainTimesteps - 1, steps).map(Math.fround);
  const all = sigmas(config);
  const levels = [...timesteps.map((t) => Math.fround(levelAt(all, t))), 0];
  const largest = Math.max(...levels);
  const initialSigma = spacing === 'leading' ? Math.sqrt(largest * largest + 1) : largest;
  return { timesteps, levels, initialSigma };
}

/** The clean latent that the U-Net's output at noise level `sigma` stands for. */
export function denoised(prediction: SchedulerConfig['predictionType'], sigma: number) {
  if (prediction === 'epsilon') return (x: number, y: number) => x - sigma * y;
  const square = sigma * sigma + 1;
  const factor = -sigma / Math.sqrt(square);
  return (x: number, y: number) => y * factor + x / square;
}

/** The U-Net sees samples of unit variance. */
export function scaleByLevel(sample: Float32Array, sigma: number): Float32Array {
  const root = Math.sqrt(sigma * sigma + 1);
  return sample.map((x) => x / root);
}

/** Euler's method on the probability-flow equation: Karras et al. (2022), algorithm 2 without added noise. */
export function euler(config: SchedulerConfig, { steps }: SchedulerOptions): Scheduler {
  const { timesteps, levels, initialSigma } = eulerLevels(config, steps);
  return {
    timesteps,
    initialSigma,
    needsNoise: false,
    scaleInput: (sample, i) => scaleByLevel(sample, levels[i]!),
    step(sample, output, i) {
      const sigma = levels[i]!;
      const change = levels[i + 1]! - sigma;
      const clean = denoised(config.predictionType, sigma);
      return combine(sample, output, (x, y) => x + ((x - clean(x, y)) / sigma) * change);
    },
  };
}
