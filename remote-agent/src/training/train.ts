import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chooseLayers } from '../adapters/layers.ts';
import type { AdapterPlan, Method } from '../adapters/method.ts';
import { methodByName } from '../adapters/methods.ts';
import { ParaError } from '../common/errors.ts';
import { type Base, openBase } from '../diffusion/base.ts';
import { alphasCumprod } from '../diffusion/schedulers/noise-levels.ts';
import type { Layer } from '../onnx/modules.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { saveAdapterFile } from './adapter-output.ts';
import { type NoiseSchedule, trainingBatch, validationBatches } from './batches.ts';
import { loadState, saveState, type TrainState } from './checkpoint.ts';
import { type StepBatch, StepEngine } from './engine.ts';
import type { TrainHooks } from './events.ts';
import { type Examples, loadExamples } from './examples.ts';
import { learningRateAt } from './learning-rate.ts';
import { clipToNorm, Optimizer } from './optimizer.ts';
import { Sampler } from './samples.ts';

/** Where a run writes; all paths absolute. */
export interface TrainPaths {
  readonly state: string;
  readonly adapter: string;
  readonly checkpoints: string;
  readonly samples: string;
  readonly cache: string;
}

/** Settings of the method as the adapters room takes them. */
export function methodSettings({ method }: TrainSpec) {
  const { name, rank, gamma, alpha, init } = method;
  if (name === 'lora')
    return { ...(rank === undefined ? {} : { rank }), ...(alpha === undefined ? {} : { alpha }) };
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

interface Run {
  readonly spec: TrainSpec;
  readonly paths: TrainPaths;
  readonly hooks: TrainHooks;
  readonly base: Base;
  readonly method: Method;
  readonly engine: StepEngine;
  readonly set: Examples;
  readonly schedule: NoiseSchedule;
  readonly validation: readonly StepBatch[];
  readonly validator: StepEngine;
  readonly sampler: Sampler;
  readonly state: TrainState;
}

/**
 * Runs or continues one training job to its end.
 * @returns 'finished', or 'stopped' when asked to; the state is saved in both cases
 * @throws ParaError of every room; what was saved before stays
 */
export async function train(
  spec: TrainSpec,
  paths: TrainPaths,
  hooks: TrainHooks,
): Promise<'finished' | 'stopped'> {
  for (const folder of [paths.checkpoints, paths.samples, paths.cache])
    mkdirSync(folder, { recursive: true });
  const run = await prepare(spec, paths, hooks);
  const begin = process.hrtime.bigint();
  const { state } = run;
  try {
    while (state.step < spec.training.steps) {
      // The runtime blocks the thread; signals and messages get their turn here.
      await new Promise((resume) => setImmediate(resume));
      if (hooks.shouldStop()) {
        saveState(paths.state, state);
        hooks.emit({ type: 'stopped', step: state.step });
        return 'stopped';
      }
      await makeStep(run);
      await afterStep(run);
    }
    await finish(run, Number(process.hrtime.bigint() - begin) / 1e9);
    return 'finished';
  } finally {
    await run.engine.release();
    if (run.validator !== run.engine) await run.validator.release();
    await run.sampler.release();
  }
}

async function prepare(spec: TrainSpec, paths: TrainPaths, hooks: TrainHooks): Promise<Run> {
  hooks.emit({ type: 'phase', name: 'encode pictures' });
  const base = openBase(spec.base.name);
  if (base.hash !== spec.base.hash)
    throw new ParaError('base', `The base "${base.name}" is not the one this run was made with`, {
      where: `now ${base.hash.slice(0, 12)}, then ${spec.base.hash.slice(0, 12)}`,
      hint: 'put the earlier base back, or start a new run',
    });
  const { training, device } = spec;
  const load = (pictures: TrainSpec['pictures'], flip: boolean) =>
    loadExamples({ base, pictures, resolution: training.resolution, flip, device, cache: paths.cache });
  const set = await load(spec.pictures, training.flip);
  const held = spec.validationPictures.length > 0 ? await load(spec.validationPictures, false) : set;
  if (held === set)
    hooks.emit({
      type: 'note',
      message:
        'No picture is held out: the validation loss is measured on the training pictures, with noise of its own',
    });

  hooks.emit({ type: 'phase', name: 'build step' });
  const method = methodByName(spec.method.name);
  const shapesOf = (examples: Examples, batch: number) => ({
    batch,
    latentChannels: base.latentChannels,
    latentHeight: examples.latentHeight,
    latentWidth: examples.latentWidth,
    tokens: examples.tokens,
  });
  const plan = (layers: readonly Layer[]) => planFor(spec, method, layers);
  const engine = await StepEngine.create({
    base,
    method,
    plan,
    device,
    shapes: shapesOf(set, training.batch),
  });
  const schedule = { alphasCumprod: alphasCumprod(base.scheduler), prediction: base.predictionType };
  const wantsValidation = spec.validation.every > 0;
  const validator = await StepEngine.create({
    base,
    method,
    plan,
    device,
    shapes: shapesOf(held, 1),
    lossOnly: true,
  });
  const parameters = method.initialise(engine.plan, training.seed);
  const state: TrainState = {
    step: 0,
    smoothedLoss: Number.NaN,
    parameters,
    optimizer: new Optimizer(parameters.length, { ...training, kind: training.optimizer }),
  };
  if (loadState(paths.state, state)) hooks.emit({ type: 'resumed', fromStep: state.step });
  else
    hooks.emit({
      type: 'started',
      steps: training.steps,
      parameters: parameters.length,
      layers: engine.plan.layers.length,
    });
  return {
    spec,
    paths,
    hooks,
    base,
    method,
    engine,
    set,
    schedule,
    validator,
    state,
    validation: wantsValidation
      ? validationBatches(held, schedule, base.latentChannels, spec.validation.timesteps)
      : [],
    sampler: new Sampler(base, spec, engine.plan, method),
  };
}

async function makeStep(run: Run): Promise<void> {
  const { spec, engine, state, hooks } = run;
  const { training } = spec;
  const start = process.hrtime.bigint();
  const step = state.step + 1;
  const coefficients = await engine.coefficients(state.parameters);
  let loss = 0;
  let sum: Float32Array | undefined;
  for (let pass = 0; pass < training.accumulation; pass++) {
    const batch = trainingBatch(training, run.set, run.schedule, run.base.latentChannels, step, pass);
    const made = await engine.run(coefficients, batch);
    loss += made.loss / training.accumulation;
    if (sum) for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + made.gradient[i]!;
    else sum = made.gradient;
  }
  const passes = training.accumulation;
  if (passes > 1) for (let i = 0; i < sum!.length; i++) sum![i] = sum![i]! / passes;
  const gradient = await engine.pullback(state.parameters, sum!);
  const gradientNorm = clipToNorm(gradient, training.clip);
  if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
    throw new ParaError('not-a-number', `The loss or its gradient is no number any more at step ${step}`, {
      where: `last good state: step ${state.step}, kept in the run folder`,
      hint: 'lower training.learningRate (a third is a good try) and start again',
    });
  const rate = learningRateAt(
    training.schedule,
    training.learningRate,
    step,
    training.steps,
    training.warmup,
  );
  state.optimizer.update(state.parameters, gradient, rate);
  state.step = step;
  state.smoothedLoss = Number.isNaN(state.smoothedLoss) ? loss : 0.95 * state.smoothedLoss + 0.05 * loss;
  hooks.emit({
    type: 'step',
    step,
    loss,
    smoothedLoss: state.smoothedLoss,
    learningRate: rate,
    gradientNorm,
    seconds: Number(process.hrtime.bigint() - start) / 1e9,
    memoryBytes: process.memoryUsage.rss(),
  });
}

/** Mean loss over the fixed validation batches. */
async function validate(run: Run): Promise<number> {
  const coefficients = await run.validator.coefficients(run.state.parameters);
  let sum = 0;
  for (const batch of run.validation) sum += (await run.validator.run(coefficients, batch)).loss;
  return sum / run.validation.length;
}

const due = (step: number, every: number, last: number) => every > 0 && (step % every === 0 || step === last);

async function afterStep(run: Run): Promise<void> {
  const { spec, state, hooks, paths } = run;
  const { step } = state;
  const last = spec.training.steps;
  if (run.validation.length > 0 && due(step, spec.validation.every, last))
    hooks.emit({ type: 'validation', step, loss: await validate(run) });
  if (due(step, spec.samples.every, last))
    for (const sample of await run.sampler.draw(state.parameters, step, paths.samples))
      hooks.emit({ type: 'sample', step, ...sample });
  if (spec.checkpoints.keep.includes(step)) {
    const file = join(paths.checkpoints, `step-${String(step).padStart(6, '0')}.safetensors`);
    saveAdapterFile(file, run.spec, run.base, run.engine.plan, state.parameters, step);
    hooks.emit({ type: 'checkpoint', step, file });
  }
  if (due(step, spec.checkpoints.every, last)) saveState(paths.state, state);
}

async function finish(run: Run, seconds: number): Promise<void> {
  const { spec, state, paths, hooks } = run;
  saveState(paths.state, state);
  saveAdapterFile(paths.adapter, spec, run.base, run.engine.plan, state.parameters, state.step);
  hooks.emit({ type: 'finished', step: state.step, seconds, file: paths.adapter });
}
