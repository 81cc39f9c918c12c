import { ParaError } from '../common/errors.ts';
import { createGraphSession } from '../runtime/graph-session.ts';
import { createSession, type Session, type SessionOptions } from '../runtime/session.ts';
import { type Tensor, tensorOf, toFloats } from '../runtime/tensor.ts';
import type { Base, BaseVae } from './base.ts';
import { partModel } from './base-part.ts';
import { cutOut, layIn, sharesOf, tileSide, tilingFor } from './tiles.ts';
import { encoderModel, fusedFrom, fusedVae } from './vae-graph.ts';

/** Pictures or latents [n, channels, height, width], row-major. */
export interface Planes {
  readonly count: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}

export interface VaeOptions extends SessionOptions {
  /** Side of tiles in latent positions, see `tilesOf`. */
  readonly tileSide?: number;
}

/** One direction of the autoencoder: sessions of its graph, loaded when first needed. */
class Direction {
  readonly part: BaseVae;
  readonly #options: SessionOptions;
  readonly #model: () => string | Uint8Array;
  /** Takes every size. */
  #plain: Session | undefined;
  /** For one large size, with fused attention. */
  #fused: { readonly size: string; readonly session: Session } | undefined;
  /** Large sizes whose attention is not fused. */
  readonly #written = new Set<string>();

  /** @param model gives what the runtime loads for any size */
  constructor(part: BaseVae, model: () => string | Uint8Array, options: SessionOptions) {
    this.part = part;
    this.#model = model;
    this.#options = { ...options, externalDataDirectory: part.weights };
  }

  /** Runs one picture or latent. @param positions of its latent */
  async run(dims: readonly number[], positions: number, data: Float32Array): Promise<Tensor> {
    const { input, output } = this.part;
    const session = await this.#session(dims, positions);
    return (await session.run({ [input.name]: tensorOf(input.type, dims, data) }, [output.name]))[
      output.name
    ]!;
  }

  async #session(dims: readonly number[], positions: number): Promise<Session> {
    const size = dims.join();
    if (positions >= fusedFrom && !this.#written.has(size)) {
      if (this.#fused?.size === size) return this.#fused.session;
      const graph = fusedVae(this.part, dims);
      if (graph) {
        const before = this.#fused;
        this.#fused = undefined;
        await before?.session.release();
        this.#fused = { size, session: await createGraphSession(graph, this.#options) };
        return this.#fused.session;
      }
      this.#written.add(size);
    }
    this.#plain ??= await createSession(this.#model(), this.#options);
    return this.#plain;
  }

  async release(): Promise<void> {
    await this.#plain?.release();
    await this.#fused?.session.release();
    this.#plain = undefined;
    this.#fused = undefined;
  }
}

/**
 * The autoencoder of a base. Pixels lie in [-1, 1]; latents are scaled as the U-Net takes them:
 * `(mean - shiftFactor) * scalingFactor`. Each direction is loaded when first used; each picture runs alone. One larger
 * than `tileSide` squared runs in tiles that overlap and are blended: its norms see a tile at a time, so that it differs
 * a little from what the whole would give.
 */
export class Vae {
  readonly #base: Base;
  readonly #tileSide: number;
  readonly #encoder: Direction;
  readonly #decoder: Direction;

  constructor(base: Base, options: VaeOptions = {}) {
    const { tileSide: side = tileSide, ...session } = options;
    this.#base = base;
    this.#tileSide = side;
    // Planned beforehand, activations at the size of pixels would be held twice (see `Denoiser`).
    const own = { memoryPattern: false, ...session };
    const { vaeEncoder, vaeDecoder } = base;
    this.#encoder = new Direction(vaeEncoder, () => encoderModel(vaeEncoder), own);
    this.#decoder = new Direction(vaeDecoder, () => partModel(vaeDecoder), own);
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
    // Moments are means, then log variances; a plain latent has the latent's channels.
    const out = await this.#each(this.#encoder, pictures, 1 / vaeFactor);
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
    const { vaeFactor, scalingFactor, shiftFactor } = this.#base;
    const data = latents.data.map((x) => x / scalingFactor + shiftFactor);
    return this.#each(this.#decoder, { ...latents, data }, vaeFactor);
  }

  /** @param scale positions of the result per position of the input, along each axis */
  async #each(direction: Direction, planes: Planes, scale: number): Promise<Planes> {
    const { count, channels, height, width } = planes;
    const size = channels * height * width;
    const results: Planes[] = [];
    for (let n = 0; n < count; n++) {
      const data = planes.data.subarray(n * size, (n + 1) * size);
      results.push(await this.#one(direction, { ...planes, count: 1, data }, scale));
    }
    const data = new Float32Array(results.reduce((sum, one) => sum + one.data.length, 0));
    for (const [n, one] of results.entries()) data.set(one.data, n * one.data.length);
    return { count, channels, height, width, ...results[0], data };
  }

  async #one(direction: Direction, planes: Planes, scale: number): Promise<Planes> {
    const { channels, height, width, data } = planes;
    // Of an input, how many of its positions are one of its latent's.
    const per = scale < 1 ? Math.round(1 / scale) : 1;
    const tiling = tilingFor(direction.part, height / per, width / per, this.#tileSide);
    const run = async (rows: number, columns: number, values: Float32Array) => {
      const positions = (rows / per) * (columns / per);
      const out = await direction.run([1, channels, rows, columns], positions, values);
      const [, made = 0, outHeight = 0, outWidth = 0] = out.dims;
      return { count: 1, channels: made, height: outHeight, width: outWidth, data: toFloats(out) };
    };
    if (!tiling) return run(height, width, data);
    const { rows, columns } = tiling;
    const [sharesOfRows, sharesOfColumns] = [sharesOf(rows, per * scale), sharesOf(columns, per * scale)];
    const whole = [height * scale, width * scale] as const;
    const tile = [rows.length * per, columns.length * per] as const;
    let result: Planes | undefined;
    for (const [i, top] of rows.starts.entries())
      for (const [k, left] of columns.starts.entries()) {
        const piece = cutOut(data, channels, [height, width], [top * per, left * per], tile);
        const made = await run(...tile, piece);
        result ??= {
          ...{ count: 1, channels: made.channels, height: whole[0], width: whole[1] },
          data: new Float32Array(made.channels * whole[0] * whole[1]),
        };
        const corner = [top * per * scale, left * per * scale] as const;
        layIn(result.data, made.channels, whole, corner, made.data, sharesOfRows[i]!, sharesOfColumns[k]!);
      }
    return result!;
  }

  /** Frees both directions, or one. */
  async release(which: 'both' | 'encoder' | 'decoder' = 'both'): Promise<void> {
    if (which !== 'decoder') await this.#encoder.release();
    if (which !== 'encoder') await this.#decoder.release();
  }
}
