import { defined } from '../../common/defined.ts';
import { ParaError } from '../../common/errors.ts';
import { drawnPng } from '../../dataset/drawn-picture.ts';
import { encodePng } from '../../dataset/pictures.ts';
import type { AppliedAdapter } from '../../diffusion/adapter-slots.ts';
import { applied, readAdapterFor } from '../../diffusion/applied.ts';
import type { Base } from '../../diffusion/base.ts';
import { forwardBytes, samplerBytes } from '../../diffusion/base-memory.ts';
import type { DenoiserShape } from '../../diffusion/denoiser.ts';
import { Generator } from '../../diffusion/generate.ts';
import type { Precision } from '../../diffusion/precision.ts';
import type { Recipe } from '../../diffusion/recipe.ts';
import type { DrawRequest } from '../../protocol/contract/generation.ts';
import type { DeviceName } from '../../runtime/device.ts';
import { keepForClient } from '../outbox.ts';
import { awaitMemory, type Surroundings } from './memory-gate.ts';
import type { Drawn, Progress } from './messages.ts';

/** U-Net sessions kept: the one of the moment, and the one before, as a comparison goes to and fro between two. */
const sessionsKept = 2;

/** A loaded base that draws one request after the other. */
export class Drawing {
  readonly #base: Base;
  readonly #device: DeviceName;
  readonly #generator: Generator;
  readonly #around: Surroundings;
  /** Bytes that a U-Net session needs, by the sizes that were drawn and their precision. */
  readonly #needs = new Map<string, number>();

  constructor(base: Base, device: DeviceName, around: Surroundings) {
    this.#base = base;
    this.#device = device;
    this.#around = around;
    const fits = (shape: DenoiserShape, precision: Precision) => this.#fits(shape, precision);
    const exactSessions = { most: sessionsKept, fits };
    this.#generator = new Generator(base, { device, exactSessions });
  }

  /**
   * Draws what is asked and keeps the PNG files for their client.
   * @param files of the adapters of the request, then of those beside
   * @param given throws when the request was given up
   */
  async draw(
    request: DrawRequest,
    files: readonly string[],
    tell: (progress: Progress) => void,
    given: () => void,
  ): Promise<Drawn> {
    const { base, width = this.#base.width, height = this.#base.height } = request;
    const { prompt, negative, seed, steps, guidance, scheduler, eta, precision, count } = request;
    const { previewEvery } = request;
    const [adapters, ...beside] = this.#applied(request, files);
    const { vaeFactor, sizeStep, textEncoders } = this.#base;
    const drawnIn = this.#generator.precisionOf(precision);
    // Sizes that do not fit are refused by the generator, in its own words.
    if (width % sizeStep === 0 && height % sizeStep === 0) {
      const latents = { latentHeight: height / vaeFactor, latentWidth: width / vaeFactor };
      const shape = { batch: guidance > 1 ? 2 : 1, ...latents, tokens: textEncoders[0]!.tokens };
      await this.#askForMemory(shape, drawnIn, `${width} x ${height}`, tell, given);
    }
    const recipe: Recipe = {
      ...{ base, baseHash: this.#base.hash, prompt, negative, seed, steps, guidance, scheduler },
      ...defined({ eta }),
      ...{ precision: drawnIn, width, height },
      adapters: request.adapters.map(({ source: _, ...adapter }) => adapter),
    };
    const pictures = await this.#generator.generate({
      ...{ prompt, negative, seed, steps, guidance, scheduler, width, height, count },
      ...defined({ eta }),
      ...{ precision: drawnIn, adapters: adapters!, beside },
      onStep: async ({ picture, step, preview }) => {
        tell({ at: 'step', picture, step, steps });
        if (previewEvery !== undefined && step % previewEvery === 0 && step < steps) {
          const { width, height, pixels } = await preview();
          const kept = keepForClient(await encodePng({ width, height, rgb: pixels }));
          tell({ at: 'preview', picture, step, ...kept });
        }
        // Computing blocks this thread: between steps it hears whether the request was given up.
        await new Promise(setImmediate);
        given();
      },
    });
    return Promise.all(
      pictures.map(async (picture) => ({
        seed: picture.seed,
        ...keepForClient(await drawnPng(picture, { ...recipe, seed: picture.seed })),
        ...{ width: picture.width, height: picture.height },
      })),
    );
  }

  /** The adapters of the request, and those of each combination beside it. */
  #applied(request: DrawRequest, files: readonly string[]): AppliedAdapter[][] {
    const rest = [...files];
    return [request.adapters, ...(request.beside ?? [])].map((combination) =>
      combination.map(({ strength, file }) =>
        applied(readAdapterFor(rest.shift()!, this.#base).adapter, strength, file),
      ),
    );
  }

  /**
   * Waits for the memory of sessions of a size that is new here. What older sessions hold is counted as free: they go
   * when there is no room beside them.
   */
  async #askForMemory(
    shape: DenoiserShape,
    precision: Precision,
    size: string,
    tell: (progress: Progress) => void,
    given: () => void,
  ): Promise<void> {
    const key = sizeKey(shape, precision);
    if (this.#needs.has(key)) return;
    const computing = { device: this.#device, precision };
    const unet = forwardBytes(this.#base, shape, computing);
    const held = Math.max(0, ...this.#needs.values());
    await awaitMemory(
      held === 0 ? samplerBytes(this.#base, shape, computing).together : Math.max(0, unet - held),
      `Drawing ${size} with "${this.#base.name}"`,
      this.#around,
      (reason) => tell({ at: 'waiting', reason }),
      given,
    );
    this.#needs.set(key, unet);
    tell({ at: 'loading' });
  }

  async #fits(shape: DenoiserShape, precision: Precision): Promise<boolean> {
    const free = await this.#around.free();
    return (
      free === undefined || (this.#needs.get(sizeKey(shape, precision)) ?? 0) <= this.#around.share * free
    );
  }

  async release(): Promise<void> {
    await this.#generator.release();
  }
}

const sizeKey = ({ batch, latentHeight, latentWidth }: DenoiserShape, precision: Precision) =>
  `${batch} x ${latentHeight} x ${latentWidth} in ${precision}`;

/** Thrown in a request that nobody waits for any more. */
export const givenUp = (): ParaError =>
  new ParaError('cancelled', 'The drawing was cancelled', { hint: 'ask for it again' });
