import { Optimizer, type OptimizerSettings } from '../src/training/optimizer.ts';
import { optimizerThreads } from '../src/training/optimizer-threads.ts';
import { programsBeside } from '../src/training/programs.ts';

/** PyTorch's defaults, which its side of contests has too. */
export const adamw: OptimizerSettings = {
  ...{ kind: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
};

/** AdamW as a trainer that lies beside this bundle has it: with threads where those are worth it. */
export const trainersOptimizer = (length: number): Optimizer =>
  new Optimizer(length, adamw, optimizerThreads(length, programsBeside(import.meta.url).optimizer));
