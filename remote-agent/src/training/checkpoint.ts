import { existsSync, readFileSync } from 'node:fs';
import { decodeSafetensors, encodeSafetensors } from '../adapters/safetensors.ts';
import { ParaError } from '../common/errors.ts';
import { writeFileAtomic } from '../common/files.ts';
import type { LossScale } from './loss-scale.ts';
import type { Optimizer } from './optimizer.ts';

/** Everything of a run that changes from step to step; noise and order follow from the seed. */
export interface TrainState {
  /** Steps made. */
  step: number;
  /** Exponential mean of the loss, or NaN before the first step. */
  smoothedLoss: number;
  /** The lowest validation loss so far and the step after which it was measured. */
  best?: { readonly step: number; readonly loss: number };
  /** Step of the state in the run's folder; absent before the first. */
  savedStep?: number;
  /** Absent in single precision. */
  scale?: LossScale;
  /** Sizes that the run's pictures have, from 1. */
  readonly sizes: number;
  readonly parameters: Float32Array;
  readonly optimizer: Optimizer;
}

/**
 * Changes whenever the meaning of the numbers does: a state is only gone on from by the program that means the same. Up to
 * 2, pictures of several sizes came in another order; those of one size still come as they did.
 */
const formatOf = ({ sizes }: TrainState): string => `para-studio.state/${sizes > 1 ? 3 : 2}`;

/** Writes the state in one step: a crash while writing leaves the state before it. */
export function saveState(path: string, state: TrainState): void {
  const { parameters, optimizer } = state;
  const tensor = (data: Float32Array) => ({ dims: [data.length], data });
  const tensors = new Map([
    ['optimizer.m', tensor(optimizer.m)],
    ['optimizer.v', tensor(optimizer.v)],
    ['parameters', tensor(parameters)],
  ]);
  const metadata = {
    format: formatOf(state),
    step: String(state.step),
    updates: String(optimizer.updates),
    smoothed_loss: String(state.smoothedLoss),
    ...(state.best ? { best_step: String(state.best.step), best_loss: String(state.best.loss) } : {}),
    ...(state.scale ? { loss_scale: JSON.stringify(state.scale) } : {}),
  };
  writeFileAtomic(path, encodeSafetensors(tensors, metadata));
  state.savedStep = state.step;
}

/** The step of the state in a file; 0 where there is none yet. */
export const savedStep = (path: string): number =>
  existsSync(path) ? Number(decodeSafetensors(readFileSync(path), path).metadata.step) : 0;

/** What is kept of a run that ends before its end. @param path of its state */
export function keptWords(path: string): string {
  const step = savedStep(path);
  return step > 0 ? `its state of step ${step} is kept, and it goes on from there` : 'no step was saved yet';
}

/**
 * Fills `state` from a file; false where there is none yet.
 * @throws ParaError `checkpoint` when it belongs to other settings, `safetensors` when it is damaged
 */
export function loadState(path: string, state: TrainState): boolean {
  if (!existsSync(path)) return false;
  const { tensors, metadata } = decodeSafetensors(readFileSync(path), path);
  const format = formatOf(state);
  if (metadata.format !== format)
    throw new ParaError('checkpoint', 'The state was saved by another version of this program', {
      where: `${path}: ${metadata.format ?? 'no format'}, wanted ${format}`,
      hint: 'finish the run with that version, or start a new run',
    });
  const take = (name: string): Float32Array => {
    const found = tensors.get(name);
    if (!found || found.data.length !== state.parameters.length)
      throw new ParaError('checkpoint', `The saved state does not fit this run ("${name}")`, {
        where: path,
        hint: 'spec.json was changed, or the file comes from another run; start a new run',
      });
    return found.data;
  };
  state.parameters.set(take('parameters'));
  state.optimizer.restore(take('optimizer.m'), take('optimizer.v'), Number(metadata.updates));
  state.step = Number(metadata.step);
  state.savedStep = state.step;
  state.smoothedLoss = Number(metadata.smoothed_loss);
  if (metadata.best_step !== undefined)
    state.best = { step: Number(metadata.best_step), loss: Number(metadata.best_loss) };
  // A run that began in half precision may go on in single precision, on another machine.
  if (state.scale && metadata.loss_scale !== undefined)
    state.scale = JSON.parse(metadata.loss_scale) as LossScale;
  return true;
}
