import { chooseLayers } from '../src/adapters/layers.ts';
import { methodByName } from '../src/adapters/methods.ts';
import { openBase } from '../src/diffusion/base.ts';
import type { DeviceName } from '../src/runtime/device.ts';
import { sizeOf } from '../src/runtime/tensor.ts';
import { type StepBatch, StepEngine, unetInputs } from '../src/training/engine.ts';
import { clipToNorm, Optimizer } from '../src/training/optimizer.ts';
import { wave } from './numbers.ts';

/** A whole training step at the base's own size: loss, gradient, clipping, AdamW. */
export interface TrainCase {
  readonly kind: 'step';
  readonly base: string;
  readonly method: 'para' | 'lora';
  readonly rank: number;
  readonly batch: number;
  readonly memory: 'fast' | 'lean';
  readonly device?: DeviceName;
  /** Default `f32`. */
  readonly precision?: 'f32' | 'f16';
}

/** Builds the engine; each call makes a step on the same batch and gives its loss. */
export async function openStep(what: TrainCase): Promise<() => Promise<number>> {
  const base = openBase(what.base);
  const method = methodByName(what.method);
  const { batch } = what;
  const shapes = {
    batch,
    latentChannels: base.latentChannels,
    latentHeight: base.height / base.vaeFactor,
    latentWidth: base.width / base.vaeFactor,
    tokens: base.textEncoders[0]!.tokens,
  };
  const engine = await StepEngine.create({
    base,
    method,
    plan: (layers) =>
      method.plan(chooseLayers(layers, ['attention']), {
        rank: what.rank,
        ...(what.method === 'para' ? { gamma: 1 } : {}),
      }),
    shapes,
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
  const optimizer = new Optimizer(parameters.length, {
    ...{ kind: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
  });
  return async () => {
    const coefficients = await engine.coefficients(parameters);
    const { loss, gradient } = await engine.run(coefficients, data, 1024);
    const back = await engine.pullback(coefficients, gradient);
    clipToNorm(back, 1);
    optimizer.update(parameters, back, 1e-4);
    return loss;
  };
}
