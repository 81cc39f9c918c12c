import { ParaError } from '../common/errors.ts';

/** What the U-Net was trained to predict. */
export type Prediction = 'epsilon' | 'v_prediction';

/** What one training example feeds and aims at; all vectors have the latent's length. */
export interface NoisedExample {
  readonly noisy: Float32Array;
  readonly target: Float32Array;
  /** Weight of this example's squared error. */
  readonly weight: number;
}

/**
 * Adds noise at one timestep (Ho et al. 2020, eq. 4): `x_t = sqrt(a) x_0 + sqrt(1 - a) e`, with the target `e`, or
 * `sqrt(a) e - sqrt(1 - a) x_0` for v-prediction (Salimans & Ho 2022), and the min-SNR weight (Hang et al. 2023,
 * section 3.4): `min(snr, gamma) / snr`, for v-prediction `min(snr, gamma) / (snr + 1)`; 1 without a gamma.
 * @param alphaCumprod cumulative product of the alphas at the timestep, in (0, 1)
 */
export function noisedExample(
  latent: Float32Array,
  noise: Float32Array,
  alphaCumprod: number,
  prediction: Prediction,
  minSnrGamma: number | null,
): NoisedExample {
  const signal = Math.sqrt(alphaCumprod);
  const spread = Math.sqrt(1 - alphaCumprod);
  const noisy = new Float32Array(latent.length);
  const target = new Float32Array(latent.length);
  for (let i = 0; i < latent.length; i++) {
    noisy[i] = signal * latent[i]! + spread * noise[i]!;
    target[i] = prediction === 'epsilon' ? noise[i]! : signal * noise[i]! - spread * latent[i]!;
  }
  return { noisy, target, weight: minSnrWeight(alphaCumprod, prediction, minSnrGamma) };
}

/** See `noisedExample`. @throws ParaError `settings` for a gamma that would silently zero the loss */
export function minSnrWeight(alphaCumprod: number, prediction: Prediction, gamma: number | null): number {
  if (gamma === null) return 1;
  if (!(gamma > 0))
    throw new ParaError('settings', `min-SNR gamma is ${gamma}, which makes every loss zero`, {
      where: 'training.minSnrGamma',
      hint: 'use 5, or leave the setting out',
    });
  const snr = alphaCumprod / (1 - alphaCumprod);
  return Math.min(snr, gamma) / (prediction === 'epsilon' ? snr : snr + 1);
}
