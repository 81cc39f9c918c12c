import type { AdapterPlan, Method } from '../adapters/method.ts';
import { methodByName } from '../adapters/methods.ts';
import { ParaError } from '../common/errors.ts';
import { lap } from '../common/lap.ts';
import { namesOf } from '../dataset/problems.ts';
import { type Base, openBase } from '../diffusion/base.ts';
import { alphasCumprod } from '../diffusion/schedulers/noise-levels.ts';
import type { Layer } from '../onnx/modules.ts';
import { deviceByName } from '../runtime/device.ts';
import { memoryAtHand } from '../runtime/memory.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { Batches, groupOfStep, noiseSettings, type SizedBatch, validationBatches } from './batches.ts';
import { loadState, savedStep, type TrainState } from './checkpoint.ts';
import { askedToStop, StopRequested, type TrainHooks } from './events.ts';
import { type ExampleGroup, ExampleLoader, type Examples } from './examples.ts';
import { startScale } from './loss-scale.ts';
import { NoiseAhead } from './noise-ahead.ts';
import { Optimizer } from './optimizer.ts';
import { optimizerThreads } from './optimizer-threads.ts';
import type { TrainPrograms } from './programs.ts';
import { type KnownSizes, RunPlanner } from './run-plan.ts';
import { RunSessions } from './sessions.ts';
import { planFor, precisionOf } from './settings.ts';
import { requireUnchanged } from './unchanged.ts';
import { withinMemory } from './within-memory.ts';

/** Where a run writes; all paths absolute. */
export interface TrainPaths {
  readonly state: string;
  readonly adapter: string;
  readonly checkpoints: string;
  readonly samples: string;
  readonly cache: string;
}

/** A run with all that it computes from. */
export interface Run {
  readonly spec: TrainSpec;
  readonly paths: TrainPaths;
  readonly hooks: TrainHooks;
  readonly base: Base;
  readonly plan: AdapterPlan;
  readonly sessions: RunSessions;
  readonly batches: Batches;
  /** Empty where nothing is measured. */
  readonly validation: readonly SizedBatch[];
  readonly thumbnail: string | undefined;
  readonly state: TrainState;
  /** Frees the device and ends the threads. */
  release(): Promise<void>;
}

/** Loads pictures, base and the saved state, if there is one. @throws ParaError of every room */
export async function prepare(
  spec: TrainSpec,
  paths: TrainPaths,
  hooks: TrainHooks,
  programs: TrainPrograms,
): Promise<Run> {
  hooks.emit({ type: 'phase', name: 'encode pictures' });
  const base = openBase(spec.base.name);
  if (base.hash !== spec.base.hash)
    throw new ParaError('base', `The base "${base.name}" is not the one this run was made with`, {
      where: `now ${base.hash.slice(0, 12)}, then ${spec.base.hash.slice(0, 12)}`,
      hint: 'put the earlier base back, or start a new run',
    });
  lap('open the base');
  const planner = new RunPlanner(base, spec);
  // Before anything is loaded: what cannot fit is refused now.
  if (spec.training.memory === 'auto') await settled(planner, spec.device);
  lap('plan memory');
  const { set, held, thumbnail } = await loadPictures(base, spec, paths, hooks);
  lap('encode pictures');

  hooks.emit({ type: 'phase', name: 'build step' });
  const method = methodByName(spec.method.name);
  const plan = (layers: readonly Layer[]) => planFor(spec, method, layers);
  const precision = precisionOf(base, spec);
  const memory = planner.plan(memoryAtHand(spec.device), sizesKnown(set, held));
  if (memory.note) hooks.emit({ type: 'note', message: memory.note });
  const sessions = new RunSessions({
    ...{ base, spec, method, plan, memory, precision },
    check: () => requireUnchanged(base, paths.state),
    tell: (message) => hooks.emit({ type: 'note', message }),
  });
  const owned: { release(): Promise<void> }[] = [sessions];
  const release = async () => {
    for (const each of owned) await each.release();
  };
  try {
    const schedule = { alphasCumprod: alphasCumprod(base.scheduler), prediction: base.predictionType };
    // The size that comes first, or a change follows at once.
    const first = groupOfStep(spec.training, set, savedStep(paths.state) + 1);
    const engine = await withinMemory({ spec, paths, hooks, sessions }, () => sessions.step(first));
    const state = startState(spec, method, engine.plan, set.groups.length, programs.optimizer);
    owned.push(state.optimizer);
    if (precision === 'f16') {
      state.scale = startScale();
      hooks.emit({ type: 'note', message: 'This run is computed in half precision (training.precision)' });
    }
    if (loadState(paths.state, state)) hooks.emit({ type: 'resumed', fromStep: state.step });
    else
      hooks.emit({
        type: 'started',
        steps: spec.training.steps,
        parameters: state.parameters.length,
        layers: engine.plan.layers.length,
      });
    const validation = held
      ? validationBatches(held, schedule, base.latentChannels, spec.validation.timesteps)
      : [];
    const noise = noiseSettings(spec.training, schedule, base.latentChannels);
    // Where the device is the processor, nothing is free meanwhile.
    const ahead =
      programs.noise && !deviceByName(spec.device).sharesMemory
        ? new NoiseAhead(noise, programs.noise)
        : undefined;
    const batches = new Batches(spec.training, set, noise, ahead);
    owned.push(batches);
    return {
      ...{ spec, paths, hooks, base, plan: engine.plan, sessions, batches, validation },
      ...{ thumbnail, state, release },
    };
  } catch (cause) {
    await release();
    throw cause;
  }
}

function startState(
  spec: TrainSpec,
  method: Method,
  plan: AdapterPlan,
  sizes: number,
  program: string | undefined,
): TrainState {
  const { training } = spec;
  const parameters = method.initialise(plan, training.seed);
  const { length } = parameters;
  const threads = optimizerThreads(length, program);
  const optimizer = new Optimizer(length, { ...training, kind: training.optimizer }, threads);
  return { step: 0, smoothedLoss: Number.NaN, sizes, parameters, optimizer };
}

interface LoadedPictures {
  readonly set: Examples;
  /** What the loss is measured on; absent where nothing is measured. */
  readonly held: Examples | undefined;
  readonly thumbnail: string | undefined;
}

async function loadPictures(
  base: Base,
  spec: TrainSpec,
  paths: TrainPaths,
  hooks: TrainHooks,
): Promise<LoadedPictures> {
  const { emit } = hooks;
  const between = async () => {
    if (await askedToStop(hooks)) throw new StopRequested();
  };
  const { pictures, validationPictures } = spec;
  const loader = new ExampleLoader(base, spec, paths.cache);
  try {
    const small = await loader.check();
    if (small.length > 0)
      emit({
        type: 'note',
        message: `These pictures have fewer pixels than they are trained at and are made larger: ${namesOf(small)}`,
      });
    const own = validationPictures.length > 0;
    const measured = spec.validation.every > 0 ? (own ? validationPictures : pictures) : [];
    await loader.encodeCaptions([pictures, ...(measured.length > 0 ? [measured] : [])]);
    const set = await loader.load(pictures, 'training', between);
    if (set.groups.length > 1)
      emit({ type: 'note', message: `The pictures have ${set.groups.length} sizes: ${sizesOf(set.groups)}` });
    let held: Examples | undefined;
    if (measured.length > 0) {
      held = await loader.load(measured, 'validation', between);
      if (!own)
        emit({
          type: 'note',
          message:
            'No picture is held out: the validation loss is measured on the training pictures, with noise of its own',
        });
    }
    return { set, held, thumbnail: spec.thumbnail ? await loader.thumbnail() : undefined };
  } finally {
    await loader.release();
  }
}

const sizesOf = (groups: readonly ExampleGroup[]) =>
  groups.map(({ width, height, examples }) => `${width} x ${height} (${examples.length})`).join(', ');

/** What is known of the sizes once pictures are read. */
function sizesKnown(set: Examples, held: Examples | undefined): KnownSizes {
  const largest = (groups: readonly ExampleGroup[]) => {
    const values = (g: ExampleGroup) => g.latentHeight * g.latentWidth;
    return groups.reduce((a, b) => (values(b) > values(a) ? b : a));
  };
  const of = ({ groups }: Examples) => ({ largest: largest(groups) });
  return { ...of(set), ...(held ? { validation: of(held) } : {}) };
}

/** How long others get to give back memory before a run does with less, in ms: idle generators leave when it begins. */
const grace = 5000;

/**
 * Waits a while where what is free is not enough for the fastest way to hold the run.
 * @throws ParaError `memory` where it is not enough for any
 */
async function settled(planner: RunPlanner, device: TrainSpec['device']): Promise<void> {
  const begun = Date.now();
  for (;;) {
    const late = Date.now() - begun >= grace;
    try {
      if (planner.plan(memoryAtHand(device)).mode === 'fast' || late) return;
    } catch (cause) {
      if (late || !(cause instanceof ParaError) || cause.code !== 'memory') throw cause;
    }
    await new Promise((resume) => setTimeout(resume, 500));
  }
}
