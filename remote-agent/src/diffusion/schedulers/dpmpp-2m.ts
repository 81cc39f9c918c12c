import { logarithm } from '../../common/random.ts';
import type { SchedulerConfig } from '../base-config.ts';
import { levelAt, sigmas } from './noise-levels.ts';
import { combine, type Scheduler, type SchedulerOptions } from './scheduler.ts';
import { checkSteps, downwards, leading, roundEven, trailing } from './spacing.ts';

/**
 * DPM-Solver++(2M): Lu et al., "DPM-Solver++" (2022), algorithm 2 in its midpoint form; first and last step are of
 * first order. With `karras`, the noise levels are those of Karras et al. (2022), equation 5, with rho 7.
 */
export function dpmpp2m(config: SchedulerConfig, { steps }: SchedulerOptions, karras = false): Scheduler {
  const { trainTimesteps } = config;
  checkSteps(steps, trainTimesteps);
  const all = sigmas(config);
  const plain = dpmTimesteps(config, steps);
  const karrasSigmas = karras ? karrasLevels(all.at(-1)!, all[0]!, steps) : undefined;
  const cosine = config.betaSchedule === 'squaredcos_cap_v2';
  const timesteps = karrasSigmas
    ? karrasSigmas.map((s) => (cosine ? Math.floor : roundEven)(timestepOf(all, s)))
    : plain;
  const levels = [...(karrasSigmas ?? plain.map((t) => levelAt(all, t))).map(Math.fround), 0];
  let previous: Float32Array | undefined;
  return {
    timesteps,
    initialSigma: 1,
    needsNoise: false,
    scaleInput: (sample) => sample,
    step(sample, output, i) {
      const here = split(levels[i]!);
      const next = split(levels[i + 1]!);
      const clean =
        config.predictionType === 'v_prediction'
          ? combine(sample, output, (x, y) => here.signal * x - here.spread * y)
          : combine(sample, output, (x, y) => (x - here.spread * y) / here.signal);
      // exp(-h) - 1 with h the step in log(signal / spread).
      const decay = levels[i + 1]! / levels[i]! - 1;
      const keep = next.spread / here.spread;
      const pull = -next.signal * decay;
      const last = previous;
      previous = clean;
      if (i === 0 || i === steps - 1 || !last) return combine(sample, clean, (x, d) => keep * x + pull * d);
      const h = logarithm(levels[i]! / levels[i + 1]!);
      const hBefore = logarithm(levels[i - 1]! / levels[i]!);
      const slope = (0.5 * pull * h) / hBefore;
      const result = new Float32Array(sample.length);
      for (let k = 0; k < sample.length; k++)
        result[k] = keep * sample[k]! + pull * clean[k]! + slope * (clean[k]! - last[k]!);
      return result;
    },
  };
}

/** The same with Karras' noise levels. */
export const dpmpp2mKarras = (config: SchedulerConfig, options: SchedulerOptions): Scheduler =>
  dpmpp2m(config, options, true);

/** Signal and spread of a variance-preserving sample at a noise level. */
function split(sigma: number): { signal: number; spread: number } {
  const signal = 1 / Math.sqrt(sigma * sigma + 1);
  return { signal, spread: sigma * signal };
}

function dpmTimesteps(config: SchedulerConfig, steps: number): number[] {
  const { trainTimesteps, stepsOffset } = config;
  const spacing = config.timestepSpacing ?? 'linspace';
  if (spacing === 'trailing') return trailing(trainTimesteps, steps);
  const list =
    spacing === 'leading'
      ? leading(trainTimesteps, steps + 1, steps, stepsOffset)
      : downwards(0, trainTimesteps - 1, steps + 1)
          .slice(0, steps)
          .map(roundEven);
  return list.map((t) => Math.min(t, trainTimesteps - 1));
}

function karrasLevels(largest: number, smallest: number, steps: number): number[] {
  const top = seventhRoot(largest);
  const bottom = seventhRoot(smallest);
  return Array.from({ length: steps }, (_, i) => {
    const root = top + (steps === 1 ? 0 : i / (steps - 1)) * (bottom - top);
    const cube = root * root * root;
    return cube * cube * root;
  });
}

/** By Newton's method, so that every machine gets the same bits. */
function seventhRoot(x: number): number {
  let y = Math.max(x, 1);
  for (let i = 0; i < 200; i++) {
    const cube = y * y * y;
    const next = (6 * y + x / (cube * cube)) / 7;
    if (next >= y) return y;
    y = next;
  }
  return y;
}

/** Fractional timestep of a noise level, linear in the level's logarithm. */
function timestepOf(levels: Float32Array, sigma: number): number {
  const wanted = logarithm(Math.max(sigma, 1e-10));
  let low = 0;
  for (let t = 0; t < levels.length - 1; t++) if (levels[t]! <= sigma) low = t;
  const from = logarithm(levels[low]!);
  const to = logarithm(levels[low + 1]!);
  const share = Math.max(0, Math.min(1, (from - wanted) / (from - to)));
  return low + share;
}
