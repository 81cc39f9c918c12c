import { join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { makeFolder } from '../common/files.ts';
import { lap } from '../common/lap.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { saveAdapterFile } from './adapter-output.ts';
import { savedStep, saveState } from './checkpoint.ts';
import type { Coefficients, StepEngine } from './engine.ts';
import { askedToStop, StopRequested, type TrainHooks } from './events.ts';
import { learningRateAt } from './learning-rate.ts';
import { keep, mostSkipped, shrink } from './loss-scale.ts';
import { clipFactor } from './optimizer.ts';
import { prepare, type Run, type TrainPaths } from './prepare.ts';
import type { TrainPrograms } from './programs.ts';
import { requireUnchanged } from './unchanged.ts';
import { withinMemory } from './within-memory.ts';

/**
 * Runs or continues one training job to its end.
 * @param programs of threads beside this one; without them it does their work itself, with the same bits
 * @returns 'finished', or 'stopped' when asked to; the state is saved in both cases
 * @throws ParaError of every room; what was saved before stays
 */
export async function train(
  spec: TrainSpec,
  paths: TrainPaths,
  hooks: TrainHooks,
  programs: TrainPrograms = {},
): Promise<'finished' | 'stopped'> {
  for (const folder of [paths.checkpoints, paths.samples, paths.cache]) makeFolder(folder);
  let run: Run;
  try {
    run = await prepare(spec, paths, hooks, programs);
  } catch (cause) {
    if (!(cause instanceof StopRequested)) throw cause;
    hooks.emit({ type: 'stopped', step: savedStep(paths.state) });
    return 'stopped';
  }
  const begin = process.hrtime.bigint();
  const { state } = run;
  let toldPlacement = false;
  try {
    while (state.step < spec.training.steps) {
      if (await askedToStop(hooks)) {
        stop(run);
        return 'stopped';
      }
      lap('between steps');
      const engine = await makeStep(run);
      if (engine.placement && !toldPlacement) hooks.emit({ type: 'note', message: engine.placement });
      toldPlacement = true;
      await afterStep(run);
      lap('after the step');
    }
    finish(run, Number(process.hrtime.bigint() - begin) / 1e9);
    return 'finished';
  } finally {
    await run.release();
  }
}

/** Mean loss of a step's passes, their summed gradient in the coefficients, and the engine that ran last. */
async function passes(
  run: Run,
  step: number,
): Promise<{ loss: number; sum: Float32Array; coefficients: Coefficients; engine: StepEngine }> {
  const { training } = run.spec;
  let engine: StepEngine | undefined;
  let coefficients: Coefficients | undefined;
  let sum: Float32Array | undefined;
  let loss = 0;
  for (let pass = 0; pass < training.accumulation; pass++) {
    const { group, batch } = run.batches.at(step, pass);
    lap('batch');
    engine = await run.sessions.step(group);
    coefficients ??= await engine.coefficients(run.state.parameters);
    lap('basis');
    run.batches.prepareAfter(step, pass);
    const made = await engine.run(coefficients, batch, run.state.scale?.value);
    loss += made.loss / training.accumulation;
    if (sum) for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + made.gradient[i]!;
    else sum = made.gradient;
  }
  return { loss, sum: sum!, coefficients: coefficients!, engine: engine! };
}

/** Mean loss of a step, and its gradient in the parameters with its norm. */
async function gradientOf(run: Run, step: number) {
  const { training } = run.spec;
  const { scale, optimizer } = run.state;
  const { loss, sum, coefficients, engine } = await passes(run, step);
  const count = training.accumulation;
  if (count > 1) for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! / count;
  lap('gradient sum');
  // The basis's factors do not take values that are no numbers.
  const sumNorm = scale && optimizer.norm(sum);
  const broken = sumNorm !== undefined && !Number.isFinite(sumNorm);
  const gradient = broken ? sum : await engine.pullback(coefficients, sum);
  lap('pullback');
  const same = gradient === sum ? sumNorm : undefined;
  return { loss, gradient, engine, gradientNorm: same ?? optimizer.norm(gradient) };
}

/** Makes one step; gives the engine that ran it. */
async function makeStep(run: Run): Promise<StepEngine> {
  const { spec, state, hooks, paths } = run;
  const { training } = spec;
  const { scale } = state;
  const start = process.hrtime.bigint();
  const step = state.step + 1;
  const say = (message: string) => hooks.emit({ type: 'note', message: `Step ${step}: ${message}` });
  const gradientHere = () => withinMemory(run, () => gradientOf(run, step));
  let made = await gradientHere();
  const overflows = () => Number.isFinite(made.loss) && !Number.isFinite(made.gradientNorm);
  while (scale && overflows() && shrink(scale)) {
    say(`a gradient left the range of half precision; the loss scale is ${scale.value} now`);
    made = await gradientHere();
  }
  const { loss, gradient, gradientNorm } = made;
  const finite = Number.isFinite(loss) && Number.isFinite(gradientNorm);
  if (scale && !finite && scale.skipped < mostSkipped) {
    scale.skipped++;
    state.step = step;
    say('left out, since its loss or gradient is no number in half precision');
    return made.engine;
  }
  if (!finite)
    throw new ParaError('not-a-number', `The loss or its gradient is no number any more at step ${step}`, {
      where: `last good state: ${state.savedStep === undefined ? 'none was saved yet' : `step ${state.savedStep}, in ${paths.state}`}`,
      hint: `lower training.learningRate from ${training.learningRate} (a third is a good try) and start a new run`,
    });
  const rate = learningRateAt(
    training.schedule,
    training.learningRate,
    step,
    training.steps,
    training.warmup,
  );
  state.optimizer.update(state.parameters, gradient, rate, clipFactor(gradientNorm, training.clip));
  if (scale && keep(scale)) say(`the loss scale is ${scale.value} now`);
  lap('optimiser');
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
  lap('event');
  return made.engine;
}

/** Mean loss over the fixed validation batches. */
async function validate({ sessions, state, validation }: Run): Promise<number> {
  let coefficients: Coefficients | undefined;
  let sum = 0;
  for (const { group, batch } of validation) {
    const engine = await sessions.loss(group);
    coefficients ??= await engine.coefficients(state.parameters);
    sum += (await engine.run(coefficients, batch)).loss;
  }
  return sum / validation.length;
}

const due = (step: number, every: number, last: number) => every > 0 && (step % every === 0 || step === last);

async function afterStep(run: Run): Promise<void> {
  const { spec, state, hooks, paths } = run;
  const { step } = state;
  const last = spec.training.steps;
  let improved = false;
  if (run.validation.length > 0 && due(step, spec.validation.every, last)) {
    const loss = await withinMemory(run, () => validate(run));
    hooks.emit({ type: 'validation', step, loss });
    if (spec.checkpoints.best) improved = keepBest(run, loss);
  }
  if (spec.samples.prompts.length > 0 && due(step, spec.samples.every, last)) {
    const drawn = await withinMemory(run, async () => {
      const sampler = await run.sessions.sampler(run.plan);
      return sampler.draw(state.parameters, step, paths.samples);
    });
    for (const sample of drawn) hooks.emit({ type: 'sample', step, ...sample });
  }
  if (spec.checkpoints.keep.includes(step)) {
    const file = join(paths.checkpoints, `step-${String(step).padStart(6, '0')}.safetensors`);
    saveAdapterHere(run, file);
    hooks.emit({ type: 'checkpoint', step, file });
  }
  // Last, so that all of this is made again where a state before it is resumed.
  if (improved || due(step, spec.checkpoints.every, last)) save(run);
}

function save({ base, paths, state, hooks }: Run): void {
  requireUnchanged(base, paths.state);
  saveState(paths.state, state);
  hooks.emit({ type: 'saved', step: state.step, file: paths.state });
}

/**
 * Replaces the best adapter where this loss is lower than all before; true when it did. The file is written before a
 * state names it, so that a resumed run finds the file of its state or makes it again.
 */
function keepBest(run: Run, loss: number): boolean {
  const { state, paths, hooks } = run;
  const { step } = state;
  // Also so for a loss that is no number.
  if (!(loss < (state.best?.loss ?? Number.POSITIVE_INFINITY))) return false;
  const file = join(paths.checkpoints, 'best.safetensors');
  saveAdapterHere(run, file);
  state.best = { step, loss };
  hooks.emit({ type: 'checkpoint', step, file, best: true });
  return true;
}

function saveAdapterHere({ spec, base, plan, paths, state, thumbnail }: Run, file: string): void {
  requireUnchanged(base, paths.state);
  saveAdapterFile(file, spec, base, plan, state.parameters, state.step, thumbnail);
}

/** Keeps the state to go on from, and the adapter as it is: whoever likes what was learned so far takes it with him. */
function stop(run: Run): void {
  const { state, paths, hooks } = run;
  const { step } = state;
  save(run);
  if (step > 0) saveAdapterHere(run, paths.adapter);
  hooks.emit({ type: 'stopped', step, ...(step > 0 ? { file: paths.adapter } : {}) });
}

function finish(run: Run, seconds: number): void {
  const { spec, state, paths, hooks } = run;
  // Otherwise it was saved after the last step.
  if (spec.checkpoints.every === 0) save(run);
  saveAdapterHere(run, paths.adapter);
  const { changes } = run.sessions;
  hooks.emit({
    ...{ type: 'finished', step: state.step, seconds, file: paths.adapter },
    ...(changes.count > 0 ? { sizeChanges: changes } : {}),
  });
}
