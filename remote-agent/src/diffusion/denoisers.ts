import type { SessionOptions } from '../runtime/session.ts';
import type { Tensor } from '../runtime/tensor.ts';
import { AdapterSlots, type AppliedAdapter } from './adapter-slots.ts';
import type { Base } from './base.ts';
import { Denoiser, type DenoiserShape } from './denoiser.ts';
import type { Precision } from './precision.ts';

type Combination = readonly AppliedAdapter[];

/** How many sessions with exact room stay loaded. */
export interface ExactSessions {
  readonly most: number;
  /** Whether one more of this size finds room beside those that are loaded; where not, the older ones go first. */
  readonly fits?: (shape: DenoiserShape, precision: Precision) => Promise<boolean>;
}

/**
 * The U-Net sessions of a generator, those used last. Either one session whose room for adapters grows, or a few that
 * each have room for exactly what was asked: the runtime may fuse operators otherwise where there is more room, and a
 * picture then differs in its last bits.
 */
export class Denoisers {
  readonly #base: Base;
  readonly #options: SessionOptions;
  readonly #exact: ExactSessions;
  readonly #growing: AdapterSlots | undefined;
  /** In the order of their last use. */
  readonly #kept = new Map<string, { slots: AdapterSlots; denoiser: Denoiser }>();

  /** @param exact left out: one session that grows */
  constructor(base: Base, options: SessionOptions, exact?: ExactSessions) {
    this.#base = base;
    this.#options = options;
    this.#exact = exact ?? { most: 1 };
    this.#growing = exact === undefined ? new AdapterSlots() : undefined;
  }

  /** Makes room for adapters that will apply together later, where the session grows. */
  reserve(adapters: Combination): void {
    this.#growing?.reserve(adapters);
  }

  /**
   * A session of this size with room for each of the combinations, and what it is fed for the first of them.
   * @throws ParaError as `Denoiser.open` and `AdapterSlots.reserve` do
   */
  async get(
    shape: DenoiserShape,
    precision: Precision,
    combinations: readonly [Combination, ...Combination[]],
  ): Promise<{ denoiser: Denoiser; feeds: Record<string, Tensor> }> {
    const slots = this.#growing ?? new AdapterSlots();
    for (const adapters of combinations) slots.reserve(adapters);
    const key = JSON.stringify([shape, precision, slots.room()]);
    let kept = this.#kept.get(key);
    this.#kept.delete(key);
    if (!kept) {
      await this.#makeRoom(shape, precision);
      const edit = slots.edit();
      const denoiser = await Denoiser.open(this.#base, shape, {
        ...this.#options,
        precision,
        ...(edit ? { edit } : {}),
      });
      kept = { slots, denoiser };
    }
    this.#kept.set(key, kept);
    return { denoiser: kept.denoiser, feeds: kept.slots.feeds(combinations[0]) };
  }

  /** Room first: the new session may need what an old one holds. */
  async #makeRoom(shape: DenoiserShape, precision: Precision): Promise<void> {
    const { most, fits = async () => true } = this.#exact;
    for (const [old, { denoiser }] of this.#kept) {
      if (this.#kept.size < most && (await fits(shape, precision))) return;
      this.#kept.delete(old);
      await denoiser.release();
    }
  }

  async release(): Promise<void> {
    for (const { denoiser } of this.#kept.values()) await denoiser.release();
    this.#kept.clear();
  }
}
