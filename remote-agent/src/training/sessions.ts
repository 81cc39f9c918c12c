import type { AdapterPlan, Method } from '../adapters/method.ts';
import type { Base } from '../diffusion/base.ts';
import type { Layer } from '../onnx/modules.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { StepEngine } from './engine.ts';
import type { ExampleGroup } from './examples.ts';
import type { MemoryPlan } from './memory-plan.ts';
import { Sampler } from './samples.ts';

/** Engines by size, of which the few that were used last stay loaded. */
class EngineSet {
  /** In the order of their last use. */
  readonly #engines = new Map<string, StepEngine>();
  readonly #make: (group: ExampleGroup) => Promise<StepEngine>;
  #most: number;

  constructor(most: number, make: (group: ExampleGroup) => Promise<StepEngine>) {
    this.#most = most;
    this.#make = make;
  }

  async get(group: ExampleGroup): Promise<StepEngine> {
    const key = `${group.latentHeight}x${group.latentWidth}, ${group.tokens} tokens`;
    let engine = this.#engines.get(key);
    this.#engines.delete(key);
    if (!engine) {
      // Room first: the new one may need what an old one holds.
      for (const [old, loaded] of this.#engines) {
        if (this.#engines.size < this.#most) break;
        this.#engines.delete(old);
        await loaded.release();
      }
      engine = await this.#make(group);
    }
    this.#engines.set(key, engine);
    return engine;
  }

  /** Keeps one engine from now on. */
  keepOne(): void {
    this.#most = 1;
  }

  async release(): Promise<void> {
    for (const engine of this.#engines.values()) await engine.release();
    this.#engines.clear();
  }
}

/**
 * Everything of a run that is loaded into a device: step engines, engines that measure the loss, the sampler. Each is
 * made when it is first asked for, and where they take turns, asking for one frees the others. What is made anew
 * computes the same bits.
 */
export class RunSessions {
  #memory: MemoryPlan;
  readonly #steps: EngineSet;
  readonly #losses: EngineSet;
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
  }) {
    const { base, spec, method, plan, memory, precision = 'f32', check = base.check } = options;
    this.#base = base;
    this.#check = check;
    this.#spec = spec;
    this.#method = method;
    this.#memory = memory;
    const set = (batch: number, lossOnly: boolean) =>
      new EngineSet(memory.engines, ({ latentHeight, latentWidth, tokens }) => {
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
      });
    this.#steps = set(spec.training.batch, false);
    this.#losses = set(1, true);
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
   * Frees everything and goes on with as little memory as can be: `lean`, one engine, in turns. What is computed stays the
   * same.
   * @returns whether that is less than before
   */
  async lessen(): Promise<boolean> {
    const { mode, turns, engines } = this.#memory;
    if (mode === 'lean' && turns && engines === 1) return false;
    await this.release();
    this.#sampler = undefined;
    this.#memory = { mode: 'lean', turns: true, engines: 1 };
    this.#steps.keepOne();
    this.#losses.keepOne();
    return true;
  }

  async #alone(party: EngineSet | Sampler): Promise<void> {
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
