import { methodByName } from '../adapters/methods.ts';
import { ParaError } from '../common/errors.ts';
import { type Base, openBase } from '../diffusion/base.ts';
import { encoderBytes, type Held, samplerBytes } from '../diffusion/base-memory.ts';
import { trainingSize } from '../diffusion/base-sizes.ts';
import { lossBytes, processBytes, trainingBytes } from '../diffusion/training-memory.ts';
import { deviceByName } from '../runtime/device.ts';
import { memoryAtHand, memoryInAll, othersOn } from '../runtime/memory.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { leastNeeded, type MemoryNeeds, type PlanOfRun, planRunMemory, type Smaller } from './memory-plan.ts';
import { planFor, precisionOf, samplePrecisionOf } from './settings.ts';

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
  readonly #known = new Map<string, unknown>();

  constructor(base: Base, spec: TrainSpec) {
    this.#base = base;
    this.#spec = spec;
  }

  #once<T>(key: unknown, estimate: () => T): T {
    const name = JSON.stringify(key);
    const found = this.#known.get(name) ?? estimate();
    this.#known.set(name, found);
    return found as T;
  }

  #needs(spec: TrainSpec, mode: 'fast' | 'lean', sizes: KnownSizes): MemoryNeeds {
    const base = this.#base;
    const { training, samples, device } = spec;
    const precision = precisionOf(base, spec);
    const computing = { device, precision };
    const adapting = {
      method: methodByName(spec.method.name),
      plan: (layers: Parameters<typeof planFor>[2]) => planFor(spec, methodByName(spec.method.name), layers),
    };
    const measured = sizes.validation?.largest;
    const draws = samples.every > 0 && samples.prompts.length > 0;
    const step = { batch: training.batch, ...shapeOf(sizes.largest) };
    const drawn = draws ? this.#sampler(spec) : { together: 0, inTurns: 0 };
    return {
      step:
        processBytes +
        this.#once([mode, precision, spec.method, step], () =>
          trainingBytes(base, step, mode, adapting, computing),
        ),
      validation: measured
        ? this.#once(['loss', precision, spec.method, measured], () =>
            lossBytes(base, { batch: 1, ...shapeOf(measured) }, adapting, computing),
          )
        : 0,
      sampler: drawn.together,
      samplerInTurns: drawn.inTurns,
    };
  }

  /** Samples have the base's own size. */
  #sampler(spec: TrainSpec): Held {
    const computing = { device: spec.device, precision: samplePrecisionOf(this.#base, spec) };
    return this.#once(['sampler', computing], () => samplerBytes(this.#base, undefined, computing));
  }

  #encoding(size: LatentSize): number {
    return (
      processBytes + this.#once(['encoder', size], () => encoderBytes(this.#base, size, this.#spec.device))
    );
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

  /** One setting less at a time, of each the larger values first; at last neither samples nor validation. */
  *#smaller(): Generator<Smaller> {
    const spec = this.#spec;
    const { training, method, samples, validation } = spec;
    const trained = (changes: Partial<TrainSpec['training']>) => ({
      training: { ...training, ...changes },
    });
    const [undrawn, unmeasured] = [
      { samples: { ...samples, every: 0 } },
      { validation: { ...validation, every: 0 } },
    ];
    const tries: [string, Partial<TrainSpec>][] = [];
    const { width } = trainingSize(this.#base, training.resolution);
    for (const share of [3 / 4, 1 / 2, 1 / 4]) {
      const resolution = Math.floor((width * share) / this.#base.sizeStep) * this.#base.sizeStep;
      if (resolution > 0) tries.push([`training.resolution ${resolution}`, trained({ resolution })]);
    }
    if (training.batch > 1) tries.push(['training.batch 1', trained({ batch: 1 })]);
    const rank = method.rank ?? (method.name === 'lora' ? 16 : undefined);
    if (rank !== undefined && rank > 1) {
      const less = Math.max(1, Math.floor(rank / 4));
      tries.push([`method.rank ${less}`, { method: { ...method, rank: less } }]);
    }
    if (precisionOf(this.#base, spec) === 'f32' && deviceByName(spec.device).trainsInHalf)
      tries.push(['training.precision "f16"', trained({ precision: 'f16' })]);
    if (samples.every > 0) tries.push(['samples.every 0', undrawn]);
    if (validation.every > 0) tries.push(['validation.every 0', unmeasured]);
    if (samples.every > 0 && validation.every > 0)
      tries.push(['samples.every 0 with validation.every 0', { ...undrawn, ...unmeasured }]);
    for (const [setting, changes] of tries) {
      const bytes = this.#bytesWith({ ...spec, ...changes });
      if (bytes !== undefined) yield { setting, bytes };
    }
  }

  #bytesWith(spec: TrainSpec): number | undefined {
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
