import { chooseLayers } from '../src/adapters/layers.ts';
import { methodByName } from '../src/adapters/methods.ts';
import type { Base } from '../src/diffusion/base.ts';
import type { Port, Session } from '../src/runtime/session.ts';
import { sizeOf, type Tensor } from '../src/runtime/tensor.ts';
import { loadUnet } from '../src/training/engine.ts';
import { buildStepGraph, stepNames } from '../src/training/step-graph.ts';
import { createStepSession } from '../src/training/step-session.ts';
import { wave } from './numbers.ts';

/** A training step of the attention layers. */
export interface StepSettings {
  readonly method: string;
  readonly batch: number;
  readonly memory: 'fast' | 'lean';
  /** Height and width of the latents. */
  readonly side: number;
}

/** Sizes that a step of a base is built for. */
export const stepShapes = (base: Base, { batch, side }: Pick<StepSettings, 'batch' | 'side'>) => ({
  ...{ batch, latentChannels: base.latentChannels, latentHeight: side, latentWidth: side },
  tokens: base.textEncoders[0]!.tokens,
});

/** A loaded session of the step on the processor. */
export async function openStepSession(
  base: Base,
  what: StepSettings,
): Promise<{ readonly session: Session; readonly nodes: number }> {
  const shapes = stepShapes(base, what);
  const { graph, layers, inputs } = loadUnet(base, shapes);
  const method = methodByName(what.method);
  const plan = method.plan(chooseLayers(layers, ['attention']), {});
  buildStepGraph(graph, { shapes, unet: inputs, method, plan, memory: what.memory });
  const session = await createStepSession(graph, { device: 'cpu', directory: base.unet.weights });
  return { session, nodes: graph.nodes.length };
}

/** Feeds of a session of a base: waves, the same each time. @param shapeOf for inputs whose sizes are not fixed */
export function feedsOf(
  base: Base,
  inputs: readonly Port[],
  shapeOf = ({ dims }: Port) => dims as readonly number[],
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const input of inputs) {
    const { name, type } = input;
    const shape = shapeOf(input);
    const data =
      name === base.unet.ports.timestep.name
        ? wave(sizeOf(shape), 0).fill(500)
        : wave(sizeOf(shape), name === stepNames.coefficients ? 0.05 : 1);
    feeds[name] =
      type === 'int64'
        ? { type, dims: shape, data: BigInt64Array.from(data, (v) => BigInt(Math.round(v))) }
        : ({ type: 'float32', dims: shape, data } as Tensor);
  }
  return feeds;
}
