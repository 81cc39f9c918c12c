import { methodByName } from '../adapters/methods.ts';
import { ParaError } from '../common/errors.ts';
import { type Base, openBase } from '../diffusion/base.ts';
import { encoderBytes, lossBytes, samplerBytes } from '../diffusion/base-memory.ts';
import { trainingSize } from '../diffusion/base-sizes.ts';
import { processBytes, trainingBytes } from '../diffusion/training-memory.ts';
import { deviceByName } from '../runtime/device.ts';
import { memoryAtHand, memoryInAll, othersOn } from '../runtime/memory.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { leastNeeded, type MemoryNeeds, type PlanOfRun, planRunMemory, type Smaller } from './memory-plan.ts';
import { planFor, precisionOf } from './settings.ts';

/** Sizes of latents and text states. */
interface LatentSize {
  readonly latentHeight: number;
  readonly latentWidth: number;
  readonly tokens: number;
}

/** The largest size that a run trains at, as far as its spec tells: that of its square, which no bucket exceeds. */
function sizeOf(base: Base, resolution: number | null): LatentSize {
  const { width, height } = trainingSize(base, resolution);
  return {
    latentHeight: height / base.vaeFactor,
    latentWidth: width / base.vaeFactor,
    tokens: base.textEncoders[0]!.tokens,
  };
}

/** What the sizes of a run's pictures are, once they are known. */
export interface KnownSizes {
  readonly largest: LatentSize;
  /** Absent where nothing is measured. */
  readonly validation?: { readonly largest: LatentSize };
}

/** Plans one run. Estimates are made once for each of their settings. */
export class RunPlanner {
  readonly #base: Base;
  readonly #spec: TrainSpec;
  readonly #known = new Map<string, number>();

  constructor(base: Base, spec: TrainSpec) {
    this.#base = base;
    this.#spec = spec;
  }

  #once(key: unknown, estimate: () => number): number {
    const name = JSON.stringify(key);
    const found = this.#known.get(name) ?? estimate();
    this.#known.set(name, found);
    return found;
  }

  #needs(spec: TrainSpec, mode: 'fast' | 'lean', sizes: KnownSizes): MemoryNeeds {
    const base = this.#base;
    const { training, samples } = spec;
    const precision = precisionOf(base, spec);
    const adapting = {
      method: methodByName(spec.method.name),
      plan: (layers: Parameters<typeof planFor>[2]) => planFor(spec, methodByName(spec.method.name), layers),
    };
    const measured = sizes.validation?.largest;
    const draws = samples.every > 0 && samples.prompts.length > 0;
    const step = { batch: training.batch, ...shapeOf(sizes.largest) };
    return {
      step:
        processBytes +
        this.#once([mode, precision, spec.method, step], () =>
          trainingBytes(base, step, mode, adapting, precision),
        ),
      validation: measured
        ? this.#once(['loss', measured], () => lossBytes(base, { batch: 1, ...shapeOf(measured) }))
        : 0,
      sampler: draws ? this.#once('sampler', () => samplerBytes(base)) : 0,
    };
  }

  #encoding(size: LatentSize): number {
    return processBytes + this.#once(['encoder', size], () => encoderBytes(this.#base, size));
  }

  #presumed({ training, validation }: TrainSpec): KnownSizes {
    const largest = sizeOf(this.#base, training.resolution);
    return { largest, ...(validation.every > 0 ? { validation: { largest } } : {}) };
  }

  /**
   * @param sizes default: what the spec lets expect, before pictures are looked at
   * @param most bytes above which the run is refused under `auto`; default what is free
   * @throws ParaError `memory`; `graph`, `no-gradient`, `settings` as building the step graph does
   */
  plan(atHand: number | undefined, sizes?: KnownSizes, most?: number): PlanOfRun {
    const { training, samples } = this.#spec;
    const known = sizes ?? this.#presumed(this.#spec);
    return planRunMemory({
      ...{ mode: training.memory, sessions: samples.memory, atHand, most },
      needs: (mode) => this.#needs(this.#spec, mode, known),
      // Pictures are encoded by then.
      encoding: sizes ? 0 : this.#encoding(known.largest),
      others: () => othersOn(this.#spec.device),
      smaller: () => this.#smaller(),
    });
  }

  /** One setting less at a time, of each the larger values first. */
  *#smaller(): Generator<Smaller> {
    const spec = this.#spec;
    const { training, method, device } = spec;
    const tries: [string, Partial<TrainSpec['training']>, Partial<TrainSpec['method']>?][] = [];
    const { width } = trainingSize(this.#base, training.resolution);
    for (const share of [3 / 4, 1 / 2, 1 / 4]) {
      const resolution = Math.floor((width * share) / this.#base.sizeStep) * this.#base.sizeStep;
      if (resolution > 0) tries.push([`training.resolution ${resolution}`, { resolution }]);
    }
    if (training.batch > 1) tries.push(['training.batch 1', { batch: 1 }]);
    const rank = method.rank ?? (method.name === 'lora' ? 16 : undefined);
    if (rank !== undefined && rank > 1) {
      const less = Math.max(1, Math.floor(rank / 4));
      tries.push([`method.rank ${less}`, {}, { rank: less }]);
    }
    if (precisionOf(this.#base, spec) === 'f32' && deviceByName(device).trainsInHalf)
      tries.push(['training.precision "f16"', { precision: 'f16' }]);
    for (const [setting, changes, ofMethod] of tries) {
      const bytes = this.#bytesWith(changes, ofMethod);
      if (bytes !== undefined) yield { setting, bytes };
    }
  }

  #bytesWith(changes: Partial<TrainSpec['training']>, ofMethod: Partial<TrainSpec['method']> = {}) {
    const spec: TrainSpec = {
      ...this.#spec,
      training: { ...this.#spec.training, ...changes },
      method: { ...this.#spec.method, ...ofMethod },
    };
    try {
      const sizes = this.#presumed(spec);
      return leastNeeded(
        this.#needs(spec, 'lean', sizes),
        this.#encoding(sizes.largest),
        spec.samples.memory === 'beside',
      );
    } catch (cause) {
      // A size that the export does not take.
      if (cause instanceof ParaError) return undefined;
      throw cause;
    }
  }
}

const shapeOf = ({ latentHeight, latentWidth, tokens }: LatentSize): LatentSize => ({
  latentHeight,
  latentWidth,
  tokens,
});

/**
 * The plan of a run that is going to be made on this machine. It is refused only where the device would not hold it
 * even with nothing else on it: what holds memory now may have ended when the run begins, and the trainer looks again.
 * @throws ParaError `memory`, `base`, and what building the step graph throws
 */
export function planSpec(spec: TrainSpec): PlanOfRun {
  const { device } = spec;
  return new RunPlanner(openBase(spec.base.name), spec).plan(
    memoryAtHand(device),
    undefined,
    memoryInAll(device),
  );
}
