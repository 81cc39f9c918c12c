import type { AdapterPlan, Method } from '../adapters/method.ts';
import type { Base } from '../diffusion/base.ts';
import type { Layer } from '../onnx/modules.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { StepEngine } from './engine.ts';
import type { ExampleGroup } from './examples.ts';
import type { MemoryPlan } from './memory-plan.ts';
import { Sampler } from './samples.ts';

/** How often an engine of one size took the place of another's, and how long that took in all. */
export interface SizeChanges {
  readonly count: number;
  readonly seconds: number;
}

const nameOf = ({ width, height }: ExampleGroup) => `${width} x ${height}`;

/** One engine at a time: that of the size that was asked for last. */
class EngineOfSize {
  readonly #make: (group: ExampleGroup) => Promise<StepEngine>;
  readonly #tell: (message: string) => void;
  #loaded: { readonly group: ExampleGroup; readonly engine: StepEngine } | undefined;
  changes: SizeChanges = { count: 0, seconds: 0 };

  /** @param tell is told what the first change of size took */
  constructor(
    make: (group: ExampleGroup) => Promise<StepEngine>,
    tell: (message: string) => void = () => {},
  ) {
    this.#make = make;
    this.#tell = tell;
  }

  async get(group: ExampleGroup): Promise<StepEngine> {
    const before = this.#loaded;
    if (before && sameSize(before.group, group)) return before.engine;
    const start = process.hrtime.bigint();
    // Room first: the new one may need what the old one holds.
    await this.release();
    const engine = await this.#make(group);
    this.#loaded = { group, engine };
    if (before) this.#count(before.group, group, Number(process.hrtime.bigint() - start) / 1e9);
    return engine;
  }

  #count(from: ExampleGroup, to: ExampleGroup, taken: number): void {
    const { count, seconds } = this.changes;
    this.changes = { count: count + 1, seconds: seconds + taken };
    if (count === 0)
      this.#tell(
        `Changing from pictures of ${nameOf(from)} to ${nameOf(to)} took ${taken.toFixed(1)} s; each size is entered once an epoch`,
      );
  }

  async release(): Promise<void> {
    await this.#loaded?.engine.release();
    this.#loaded = undefined;
  }
}

const sameSize = (a: ExampleGroup, b: ExampleGroup): boolean =>
  a.latentHeight === b.latentHeight && a.latentWidth === b.latentWidth && a.tokens === b.tokens;

/**
 * Everything of a run that is loaded into a device: step engines, engines that measure the loss, the sampler. Each is
 * made when it is first asked for, and where they take turns, asking for one frees the others. What is made anew
 * computes the same bits.
 */
export class RunSessions {
  #memory: MemoryPlan;
  readonly #steps: EngineOfSize;
  readonly #losses: EngineOfSize;
  readonly #base: Base;
  readonly #spec: TrainSpec;
  readonly #method: Method;
  readonly #check: () => void;
  #sampler: Sampler | undefined;

  constructor(options: {
    readonly base: Base;
    readonly spec: TrainSpec;
    readonly method: Method;
    readonly plan: (layers: readonly Layer[]) => AdapterPlan;
    readonly memory: MemoryPlan;
    readonly precision?: 'f32' | 'f16';
    /** Called before anything is loaded: throws where the base's files are others by now; default `Base.check`. */
    readonly check?: () => void;
    /** Is told what a change of size takes, once. */
    readonly tell?: (message: string) => void;
  }) {
    const { base, spec, method, plan, memory, precision = 'f32', check = base.check } = options;
    this.#base = base;
    this.#check = check;
    this.#spec = spec;
    this.#method = method;
    this.#memory = memory;
    const engine =
      (batch: number, lossOnly: boolean) =>
      ({ latentHeight, latentWidth, tokens }: ExampleGroup) => {
        check();
        return StepEngine.create({
          base,
          method,
          plan,
          device: spec.device,
          shapes: { batch, latentChannels: base.latentChannels, latentHeight, latentWidth, tokens },
          lossOnly,
          memory: this.#memory.mode,
          precision,
        });
      };
    this.#steps = new EngineOfSize(engine(spec.training.batch, false), options.tell);
    this.#losses = new EngineOfSize(engine(1, true));
  }

  /** The engine that trains on batches of a group. */
  async step(group: ExampleGroup): Promise<StepEngine> {
    await this.#alone(this.#steps);
    return this.#steps.get(group);
  }

  /** The engine that measures the loss of single examples of a group. */
  async loss(group: ExampleGroup): Promise<StepEngine> {
    await this.#alone(this.#losses);
    return this.#losses.get(group);
  }

  /** The sampler for adapters of this plan. */
  async sampler(plan: AdapterPlan): Promise<Sampler> {
    // It loads its parts one after the other as it draws.
    this.#check();
    this.#sampler ??= new Sampler(this.#base, this.#spec, plan, this.#method, !this.#memory.turns);
    await this.#alone(this.#sampler);
    return this.#sampler;
  }

  /**
   * Frees everything and goes on with as little memory as can be: `lean`, in turns. What is computed stays the same.
   * @returns whether that is less than before
   */
  async lessen(): Promise<boolean> {
    const { mode, turns } = this.#memory;
    if (mode === 'lean' && turns) return false;
    await this.release();
    this.#sampler = undefined;
    this.#memory = { mode: 'lean', turns: true };
    return true;
  }

  /** Changes of size so far, of training and of what is measured. */
  get changes(): SizeChanges {
    const [a, b] = [this.#steps.changes, this.#losses.changes];
    return { count: a.count + b.count, seconds: a.seconds + b.seconds };
  }

  async #alone(party: EngineOfSize | Sampler): Promise<void> {
    if (!this.#memory.turns) return;
    for (const other of [this.#steps, this.#losses, this.#sampler])
      if (other !== party) await other?.release();
  }

  async release(): Promise<void> {
    await this.#steps.release();
    await this.#losses.release();
    await this.#sampler?.release();
  }
}
