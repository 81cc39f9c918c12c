import { chooseLayers } from '../src/adapters/layers.ts';
import { methodByName } from '../src/adapters/methods.ts';
import { openBase } from '../src/diffusion/base.ts';
import { trainingBytes } from '../src/diffusion/training-memory.ts';
import type { Layer } from '../src/onnx/modules.ts';
import type { DeviceName } from '../src/runtime/device.ts';
import { sizeOf } from '../src/runtime/tensor.ts';
import { type StepBatch, StepEngine, unetInputs } from '../src/training/engine.ts';
import { clipFactor } from '../src/training/optimizer.ts';
import { wave } from './numbers.ts';
import { trainersOptimizer } from './optimizer.ts';

/** A whole training step: loss, gradient, clipping, AdamW. */
export interface TrainCase {
  readonly kind: 'step';
  readonly base: string;
  readonly method: 'para' | 'lora';
  /** Default: LoRA 16, PaRa by gamma 1/40. A rank for PaRa is the most that any layer gets. */
  readonly rank?: number;
  readonly batch: number;
  /** Height and width of the latents; default the base's own. */
  readonly side?: number;
  readonly memory: 'fast' | 'lean';
  readonly device?: DeviceName;
  /** Default `f32`. */
  readonly precision?: 'f32' | 'f16';
}

/** What a step of a case is made of. */
export interface OpenStep {
  readonly engine: StepEngine;
  readonly data: StepBatch;
  /** Makes a step on that batch, always the same, and gives its loss. */
  readonly step: () => Promise<number>;
}

/** Builds the engine; each call makes a step on the same batch and gives its loss. */
export const openStep = async (what: TrainCase): Promise<() => Promise<number>> =>
  (await openTraining(what)).step;

/** Base, method, layers and sizes of a case. */
function opened(what: TrainCase) {
  const base = openBase(what.base);
  const method = methodByName(what.method);
  const shapes = {
    batch: what.batch,
    latentChannels: base.latentChannels,
    latentHeight: what.side ?? base.height / base.vaeFactor,
    latentWidth: what.side ?? base.width / base.vaeFactor,
    tokens: base.textEncoders[0]!.tokens,
  };
  const settings = {
    ...(what.rank === undefined ? {} : { rank: what.rank }),
    ...(what.rank !== undefined && what.method === 'para' ? { gamma: 1 } : {}),
  };
  const plan = (layers: readonly Layer[]) => method.plan(chooseLayers(layers, ['attention']), settings);
  return { base, method, plan, shapes };
}

/** What the product says beforehand that a case takes, bytes. */
export function estimatedBytes(what: TrainCase): number {
  const { base, shapes, ...adapting } = opened(what);
  return trainingBytes(base, shapes, what.memory, adapting, {
    device: what.device ?? 'cpu',
    precision: what.precision ?? 'f32',
  });
}

/** Builds the engine of a case. */
export async function openTraining(what: TrainCase): Promise<OpenStep> {
  const { batch } = what;
  const { base, method, plan, shapes } = opened(what);
  const engine = await StepEngine.create({
    ...{ base, method, plan, shapes },
    device: what.device ?? 'cpu',
    memory: what.memory,
    ...(what.precision ? { precision: what.precision } : {}),
  });
  const { ports } = base.unet;
  const given = unetInputs(base, shapes).shapes;
  const port = (name: string | undefined) => wave(name ? sizeOf(given[name]!) : 0, 1);
  const data: StepBatch = {
    noisy: port(ports.sample.name),
    target: port(ports.sample.name).map((x) => -x),
    weights: new Float32Array(batch).fill(1),
    timesteps: new Array<number>(batch).fill(500),
    hidden: port(ports.hidden.name),
    pooled: port(ports.pooled?.name),
    timeIds: port(ports.timeIds?.name),
  };
  const parameters = method.initialise(engine.plan, 1);
  const optimizer = trainersOptimizer(parameters.length);
  const step = async () => {
    const coefficients = await engine.coefficients(parameters);
    const { loss, gradient } = await engine.run(coefficients, data, 1024);
    const back = await engine.pullback(coefficients, gradient);
    optimizer.update(parameters, back, 1e-4, clipFactor(optimizer.norm(back), 1));
    return loss;
  };
  return { engine, data, step };
}
