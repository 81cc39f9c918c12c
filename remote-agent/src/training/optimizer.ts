import { norm, type Update, updateRange } from './optimizer-arithmetic.ts';
import type { OptimizerThreads } from './optimizer-threads.ts';

/** Settings of AdamW; see Loshchilov & Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2. */
export interface OptimizerSettings {
  readonly kind: 'adamw' | 'sgd';
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** AdamW (or plain SGD) over one flat f32 vector: the same bits on every machine, with any number of threads. */
export class Optimizer {
  /** First moment, f32[n]. */
  readonly m: Float32Array;
  /** Second moment, f32[n]. */
  readonly v: Float32Array;
  /** Updates made so far; the powers of the betas follow from it. */
  updates = 0;
  #beta1Power = 1;
  #beta2Power = 1;
  readonly #settings: OptimizerSettings;
  readonly #threads: OptimizerThreads | undefined;

  /** @param threads for vectors of this length, which share the work; default: this one does it */
  constructor(length: number, settings: OptimizerSettings, threads?: OptimizerThreads) {
    this.#settings = settings;
    this.#threads = threads;
    this.m = threads?.m ?? new Float32Array(length);
    this.v = threads?.v ?? new Float32Array(length);
  }

  /** Takes over the state of a checkpoint: moments f32[n] and the number of updates behind them. */
  restore(m: Float32Array, v: Float32Array, updates: number): void {
    this.m.set(m);
    this.v.set(v);
    this.updates = 0;
    this.#beta1Power = 1;
    this.#beta2Power = 1;
    // Repeated products, as a run that was never stopped makes them.
    for (let i = 0; i < updates; i++) this.#count();
  }

  #count(): void {
    this.updates++;
    this.#beta1Power *= this.#settings.beta1;
    this.#beta2Power *= this.#settings.beta2;
  }

  /** Euclidean norm of a gradient f32[n]. */
  norm(gradient: Float32Array): number {
    return this.#threads?.norm(gradient) ?? norm(gradient);
  }

  /**
   * Changes `parameters` in place by one update; all vectors have the same length.
   * @param gradient as its norm was taken of it, if that was
   * @param factor what it is multiplied by first, see `clipFactor`
   */
  update(parameters: Float32Array, gradient: Float32Array, learningRate: number, factor = 1): void {
    this.#count();
    const { weightDecay, ...settings } = this.#settings;
    const update: Update = {
      ...{ ...settings, learningRate, factor },
      decay: 1 - learningRate * weightDecay,
      stepSize: learningRate / (1 - this.#beta1Power),
      vCorrection: 1 / Math.sqrt(1 - this.#beta2Power),
    };
    if (this.#threads) this.#threads.update(parameters, gradient, update);
    else updateRange({ parameters, gradient, m: this.m, v: this.v }, update, 0, parameters.length);
  }

  /** Ends its threads. */
  async release(): Promise<void> {
    await this.#threads?.release();
  }
}

/** What a gradient of this norm is multiplied by to have at most the norm `limit` (0: no limit). */
export const clipFactor = (norm: number, limit: number): number =>
  limit > 0 && norm > limit ? limit / norm : 1;
