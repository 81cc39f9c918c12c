import { chooseLayers } from '../adapters/layers.ts';
import type { AdapterPlan, Method } from '../adapters/method.ts';
import { methodByName } from '../adapters/methods.ts';
import { ParaError } from '../common/errors.ts';
import { lap } from '../common/lap.ts';
import { namesOf } from '../dataset/problems.ts';
import { type Base, openBase } from '../diffusion/base.ts';
import { lossBytes, samplerBytes } from '../diffusion/base-memory.ts';
import { alphasCumprod } from '../diffusion/schedulers/noise-levels.ts';
import { type Adapting, trainingBytes } from '../diffusion/training-memory.ts';
import { loadGraph } from '../onnx/io.ts';
import type { Layer } from '../onnx/modules.ts';
import { storesHalves } from '../onnx/weights.ts';
import { deviceByName } from '../runtime/device.ts';
import { memoryAtHand } from '../runtime/memory.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { type NoiseSchedule, type SizedBatch, validationBatches } from './batches.ts';
import { loadState, type TrainState } from './checkpoint.ts';
import { askedToStop, StopRequested, type TrainHooks } from './events.ts';
import { type ExampleGroup, ExampleLoader, type Examples } from './examples.ts';
import { startScale } from './loss-scale.ts';
import { type MemoryPlan, mostEngines, planMemory } from './memory-plan.ts';
import { Optimizer } from './optimizer.ts';
import { RunSessions } from './sessions.ts';

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
  readonly set: Examples;
  readonly schedule: NoiseSchedule;
  /** Empty where nothing is measured. */
  readonly validation: readonly SizedBatch[];
  readonly thumbnail: string | undefined;
  readonly state: TrainState;
}

/** Settings of the method as the adapters room takes them. */
export function methodSettings({ method }: TrainSpec) {
  const { name, rank, gamma, alpha, scale, init } = method;
  if (name === 'lora')
    return {
      ...(rank === undefined ? {} : { rank }),
      ...(alpha === undefined ? {} : { alpha }),
      ...(scale === undefined ? {} : { scale }),
    };
  // A rank that was asked for is not cut down by gamma.
  return {
    init,
    ...(rank === undefined ? {} : { rank, gamma: 1 }),
    ...(gamma === undefined ? {} : { gamma }),
  };
}

/** The plan that a spec makes for the layers of a U-Net. */
export function planFor(spec: TrainSpec, method: Method, layers: readonly Layer[]): AdapterPlan {
  const wanted = spec.method.layers;
  return method.plan(
    chooseLayers(layers, typeof wanted === 'string' ? [wanted] : wanted),
    methodSettings(spec),
  );
}

/** Loads pictures, base and the saved state, if there is one. @throws ParaError of every room */
export async function prepare(spec: TrainSpec, paths: TrainPaths, hooks: TrainHooks): Promise<Run> {
  hooks.emit({ type: 'phase', name: 'encode pictures' });
  const base = openBase(spec.base.name);
  if (base.hash !== spec.base.hash)
    throw new ParaError('base', `The base "${base.name}" is not the one this run was made with`, {
      where: `now ${base.hash.slice(0, 12)}, then ${spec.base.hash.slice(0, 12)}`,
      hint: 'put the earlier base back, or start a new run',
    });
  lap('open the base');
  const { set, held, thumbnail } = await loadPictures(base, spec, paths, hooks);
  lap('encode pictures');

  hooks.emit({ type: 'phase', name: 'build step' });
  const method = methodByName(spec.method.name);
  const plan = (layers: readonly Layer[]) => planFor(spec, method, layers);
  const precision = precisionOf(base, spec);
  const memory = memoryPlan(base, spec, { method, plan }, precision, set, held);
  if (memory.note) hooks.emit({ type: 'note', message: memory.note });
  const sessions = new RunSessions({ base, spec, method, plan, memory, precision });
  try {
    const schedule = { alphasCumprod: alphasCumprod(base.scheduler), prediction: base.predictionType };
    const engine = await sessions.step(set.groups[0]!);
    const state = startState(spec, method, engine.plan);
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
    return {
      ...{ spec, paths, hooks, base, plan: engine.plan, sessions, set, schedule, validation },
      thumbnail,
      state,
    };
  } catch (cause) {
    await sessions.release();
    throw cause;
  }
}

/** The precision that a run is computed in. */
export function precisionOf(base: Base, { training, device }: TrainSpec): 'f32' | 'f16' {
  if (training.precision !== 'auto') return training.precision ?? 'f32';
  return deviceByName(device).trainsInHalf && storesHalves(loadGraph(base.unet)) ? 'f16' : 'f32';
}

function startState(spec: TrainSpec, method: Method, plan: AdapterPlan): TrainState {
  const { training } = spec;
  const parameters = method.initialise(plan, training.seed);
  const optimizer = new Optimizer(parameters.length, { ...training, kind: training.optimizer });
  return { step: 0, smoothedLoss: Number.NaN, parameters, optimizer };
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
    const set = await loader.load(pictures, 'training', between);
    if (set.groups.length > 1)
      emit({ type: 'note', message: `The pictures have ${set.groups.length} sizes: ${sizesOf(set.groups)}` });
    let held: Examples | undefined;
    if (spec.validation.every > 0) {
      const own = validationPictures.length > 0;
      held = await loader.load(own ? validationPictures : pictures, 'validation', between);
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

/** Which sessions stay loaded together, by the estimates for this run's own sizes. */
function memoryPlan(
  base: Base,
  spec: TrainSpec,
  adapting: Adapting,
  precision: 'f32' | 'f16',
  set: Examples,
  held: Examples | undefined,
): MemoryPlan {
  const { samples, training, device } = spec;
  const largest = (groups: readonly ExampleGroup[], batch: number) => {
    const values = (g: ExampleGroup) => g.latentHeight * g.latentWidth;
    return { batch, ...groups.reduce((a, b) => (values(b) > values(a) ? b : a)) };
  };
  if (samples.memory === 'beside')
    return planMemory('beside', set.groups.length, { step: 0, validation: 0, sampler: 0 }, undefined);
  const needs = {
    step: trainingBytes(base, largest(set.groups, training.batch), training.memory, adapting, precision),
    validation: held
      ? Math.min(mostEngines, held.groups.length) * lossBytes(base, largest(held.groups, 1))
      : 0,
    sampler: samples.every > 0 && samples.prompts.length > 0 ? samplerBytes(base) : 0,
  };
  return planMemory(samples.memory, set.groups.length, needs, memoryAtHand(device));
}
