import { ParaError } from '../common/errors.ts';
import { createSession, type Session, type SessionOptions } from '../runtime/session.ts';
import { tensorOf, toFloats } from '../runtime/tensor.ts';
import type { Base, BaseVae } from './base.ts';
import { partSession } from './base-part.ts';
import { encoderModel } from './vae-graph.ts';

/** Pictures or latents [n, channels, height, width], row-major. */
export interface Planes {
  readonly count: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}

/**
 * The autoencoder of a base. Pixels lie in [-1, 1]; latents are scaled as the U-Net takes them:
 * `(mean - shiftFactor) * scalingFactor`. Each direction is loaded when first used; each picture runs alone.
 */
export class Vae {
  readonly #base: Base;
  readonly #options: SessionOptions;
  #encoder: Session | undefined;
  #decoder: Session | undefined;

  constructor(base: Base, options: SessionOptions = {}) {
    this.#base = base;
    // Planned beforehand, activations at the size of pixels would be held twice (see `Denoiser`).
    this.#options = { memoryPattern: false, ...options };
  }

  /**
   * Mean latents of pictures in [-1, 1] with 3 channels; sizes are multiples of the VAE's factor.
   * @throws ParaError `picture` for sizes that do not fit
   */
  async encode(pictures: Planes): Promise<Planes> {
    const { vaeEncoder, latentChannels, vaeFactor, scalingFactor, shiftFactor } = this.#base;
    if (pictures.width % vaeFactor !== 0 || pictures.height % vaeFactor !== 0)
      throw new ParaError(
        'picture',
        `A picture of ${pictures.width} x ${pictures.height} does not fit the VAE, whose step is ${vaeFactor}`,
        { hint: `use a width and height that are multiples of ${vaeFactor}` },
      );
    this.#encoder ??= await createSession(encoderModel(vaeEncoder), {
      ...this.#options,
      externalDataDirectory: vaeEncoder.weights,
    });
    // Moments are means, then log variances; a plain latent has the latent's channels.
    const out = await this.#each(this.#encoder, vaeEncoder, pictures);
    if (out.channels !== latentChannels && out.channels !== 2 * latentChannels)
      throw new ParaError(
        'base',
        `The VAE encoder gives ${out.channels} channels for ${latentChannels} latent ones`,
        {
          where: vaeEncoder.path,
        },
      );
    const size = out.height * out.width;
    const data = new Float32Array(out.count * latentChannels * size);
    for (let n = 0; n < out.count; n++)
      for (let i = 0; i < latentChannels * size; i++)
        data[n * latentChannels * size + i] =
          (out.data[n * out.channels * size + i]! - shiftFactor) * scalingFactor;
    return { ...out, channels: latentChannels, data };
  }

  /** Pictures in about [-1, 1] (not clipped) from scaled latents. */
  async decode(latents: Planes): Promise<Planes> {
    const { vaeDecoder, scalingFactor, shiftFactor } = this.#base;
    this.#decoder ??= await partSession(vaeDecoder, this.#options);
    const data = latents.data.map((x) => x / scalingFactor + shiftFactor);
    return this.#each(this.#decoder, vaeDecoder, { ...latents, data });
  }

  async #each(session: Session, part: BaseVae, planes: Planes): Promise<Planes> {
    const { count, channels, height, width } = planes;
    const size = channels * height * width;
    const results: { dims: readonly number[]; data: Float32Array }[] = [];
    for (let n = 0; n < count; n++) {
      const one = planes.data.subarray(n * size, (n + 1) * size);
      const feeds = { [part.input.name]: tensorOf(part.input.type, [1, channels, height, width], one) };
      const out = (await session.run(feeds, [part.output.name]))[part.output.name]!;
      results.push({ dims: out.dims, data: toFloats(out) });
    }
    const [, outChannels = 0, outHeight = 0, outWidth = 0] = results[0]?.dims ?? [];
    const length = outChannels * outHeight * outWidth;
    const data = new Float32Array(count * length);
    for (const [n, result] of results.entries()) data.set(result.data, n * length);
    return { count, channels: outChannels, height: outHeight, width: outWidth, data };
  }

  /** Frees both directions, or one. */
  async release(which: 'both' | 'encoder' | 'decoder' = 'both'): Promise<void> {
    if (which !== 'decoder') {
      await this.#encoder?.release();
      this.#encoder = undefined;
    }
    if (which !== 'encoder') {
      await this.#decoder?.release();
      this.#decoder = undefined;
    }
  }
}
