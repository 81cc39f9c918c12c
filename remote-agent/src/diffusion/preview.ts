import type { SchedulerConfig } from './base-config.ts';
import { levelAt, sigmas } from './schedulers/noise-levels.ts';
import type { Planes } from './vae.ts';

/**
 * The latent without noise that the U-Net's output stands for.
 * @param input what the U-Net was given at `timestep`: signal and noise of unit variance together
 */
export function cleanLatent(
  config: SchedulerConfig,
  timestep: number,
  input: Float32Array,
  output: Float32Array,
): Float32Array {
  const sigma = levelAt(sigmas(config), timestep);
  const signal = 1 / Math.sqrt(sigma * sigma + 1);
  const spread = sigma * signal;
  const v = config.predictionType === 'v_prediction';
  return input.map((x, k) => (v ? signal * x - spread * output[k]! : (x - spread * output[k]!) / signal));
}

/** Latent positions a side below which a preview is not made smaller: with the usual VAE, 256 pixels. */
const enough = 32;

/** A latent made smaller by averaging squares, for a quick look: the VAE then costs a fraction of the picture's. */
export function smallLatent(latent: Planes): Planes {
  const { channels, height, width, data } = latent;
  let factor = 1;
  while (
    Math.min(height, width) / (2 * factor) >= enough &&
    height % (2 * factor) === 0 &&
    width % (2 * factor) === 0
  )
    factor *= 2;
  if (factor === 1) return latent;
  const [rows, columns] = [height / factor, width / factor];
  const out = new Float32Array(channels * rows * columns);
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        out[(c * rows + Math.floor(y / factor)) * columns + Math.floor(x / factor)]! +=
          data[(c * height + y) * width + x]! / (factor * factor);
  return { ...latent, height: rows, width: columns, data: out };
}
