import { ParaError } from '../../common/errors.ts';
import type { SchedulerConfig } from '../base-config.ts';

/**
 * Cumulative products of the alphas, one per training timestep, in f32 with the roundings of diffusers (betas in f32,
 * products accumulated in f64 and rounded when stored).
 */
export function alphasCumprod(config: SchedulerConfig): Float32Array {
  let betas = betasOf(config);
  if (config.rescaleBetasZeroSnr) betas = rescaleToZeroSnr(betas);
  return products(betas);
}

function products(betas: Float32Array): Float32Array {
  const out = new Float32Array(betas.length);
  let product = 1;
  for (let t = 0; t < betas.length; t++) {
    product *= Math.fround(1 - betas[t]!);
    out[t] = product;
  }
  return out;
}

function betasOf(config: SchedulerConfig): Float32Array {
  const { trainTimesteps: n, betaStart, betaEnd, trainedBetas, betaSchedule } = config;
  if (trainedBetas) {
    if (trainedBetas.length !== n)
      throw new ParaError('base', `The scheduler lists ${trainedBetas.length} betas for ${n} timesteps`);
    return Float32Array.from(trainedBetas);
  }
  switch (betaSchedule) {
    case 'linear':
      return straightLine(betaStart, betaEnd, n);
    case 'scaled_linear':
      return straightLine(Math.sqrt(betaStart), Math.sqrt(betaEnd), n).map((root) => root * root);
    case 'squaredcos_cap_v2': {
      // Nichol & Dhariwal (2021), eq. 17, with betas capped at 0.999.
      const level = (t: number) => {
        const cosine = Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2);
        return cosine * cosine;
      };
      return Float32Array.from({ length: n }, (_, i) =>
        Math.min(1 - level((i + 1) / n) / level(i / n), 0.999),
      );
    }
  }
}

/** Evenly spaced f32 values, computed from both ends. */
function straightLine(from: number, to: number, n: number): Float32Array {
  const start = Math.fround(from);
  const end = Math.fround(to);
  if (n === 1) return Float32Array.of(start);
  const step = Math.fround((end - start) / (n - 1));
  return Float32Array.from({ length: n }, (_, i) =>
    i < n / 2 ? start + Math.fround(step * i) : end - Math.fround(step * (n - 1 - i)),
  );
}

/** Lin et al., "Common diffusion noise schedules and sample steps are flawed" (2023), algorithm 1. */
function rescaleToZeroSnr(betas: Float32Array): Float32Array {
  const roots = products(betas).map(Math.sqrt);
  const first = roots[0]!;
  const last = roots.at(-1)!;
  const levels = roots.map((root) => {
    const moved = Math.fround(Math.fround(root - last) * Math.fround(first / Math.fround(first - last)));
    return moved * moved;
  });
  return levels.map((level, t) => 1 - (t === 0 ? level : level / levels[t - 1]!));
}

/**
 * Noise levels `sqrt((1 - a) / a)` per training timestep, f32. A level of infinity (zero signal) is replaced by that of
 * the smallest half-precision number, as diffusers does.
 */
export function sigmas(config: SchedulerConfig): Float32Array {
  const levels = alphasCumprod(config);
  if (config.rescaleBetasZeroSnr) levels[levels.length - 1] = 1 / 0x1000000;
  return levels.map((a) => Math.sqrt(Math.fround(Math.fround(1 - a) / a)));
}

/** Linear interpolation of `levels` at a fractional timestep, clamped at both ends. */
export function levelAt(levels: Float32Array, timestep: number): number {
  const last = levels.length - 1;
  if (timestep <= 0) return levels[0]!;
  if (timestep >= last) return levels[last]!;
  const below = Math.floor(timestep);
  const share = timestep - below;
  return levels[below]! + share * (levels[below + 1]! - levels[below]!);
}
