import type { SchedulerConfig } from '../base-config.ts';
import { denoised, eulerLevels, scaleByLevel } from './euler.ts';
import type { Scheduler, SchedulerOptions } from './scheduler.ts';

/** Ancestral sampling with Euler steps: each goes below its noise level and adds fresh noise up to it. */
export function eulerAncestral(config: SchedulerConfig, { steps }: SchedulerOptions): Scheduler {
  const { timesteps, levels, initialSigma } = eulerLevels(config, steps);
  return {
    timesteps,
    initialSigma,
    needsNoise: true,
    scaleInput: (sample, i) => scaleByLevel(sample, levels[i]!),
    step(sample, output, i, noise) {
      const from = levels[i]!;
      const to = levels[i + 1]!;
      const up = Math.sqrt((to * to * (from * from - to * to)) / (from * from));
      const change = Math.sqrt(to * to - up * up) - from;
      const clean = denoised(config.predictionType, from);
      const result = new Float32Array(sample.length);
      for (let k = 0; k < sample.length; k++) {
        const x = sample[k]!;
        const derivative = (x - clean(x, output[k]!)) / from;
        result[k] = x + derivative * change + (noise ? up * noise[k]! : 0);
      }
      return result;
    },
  };
}
