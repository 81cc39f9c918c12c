import { describe, expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { Random } from '../../src/common/random.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { partSession } from '../../src/diffusion/base-part.ts';
import { unetFeeds, unetShapes } from '../../src/diffusion/denoiser.ts';
import type { Layer } from '../../src/onnx/modules.ts';
import { toFloats } from '../../src/runtime/tensor.ts';
import { loadUnet, StepEngine } from '../../src/training/engine.ts';
import { buildStepGraph } from '../../src/training/step-graph.ts';
import { goldenPath } from './golden.ts';

const folders = {
  'tiny-optimum': goldenPath('bases/tiny-optimum'),
  'tiny-dynamo': goldenPath('bases/tiny-dynamo'),
  'pocket-sdxl': 'pocket-sdxl',
};
const method = methodByName('lora');
const plan = (layers: readonly Layer[]) => method.plan(chooseLayers(layers, 'attention'), {});

const draw = (length: number, use: string) => {
  const random = new Random(11, use);
  return Float32Array.from({ length }, () => random.normal());
};

describe.each(Object.keys(folders) as (keyof typeof folders)[])('the loss graph of %s', (name) => {
  const base = openBase(folders[name]);
  const side = 8;
  const shapes = {
    ...{ batch: 1, latentChannels: base.latentChannels, latentHeight: side, latentWidth: side },
    tokens: base.textEncoders[0]!.tokens,
  };

  it.each(['f32', 'f16'] as const)('holds no probabilities of attention, in %s', (precision) => {
    const { graph, layers, inputs } = loadUnet(base, shapes);
    const count = (operator: string) => graph.nodes.filter(({ opType }) => opType === operator).length;
    const written = count('Softmax') + count('Attention');
    expect(written).toBeGreaterThan(5);
    const options = { shapes, unet: inputs, method, plan: plan(layers), precision };
    buildStepGraph(graph, { ...options, lossOnly: true });
    expect(count('Softmax') + count('Attention')).toBe(0);
    expect(count('MultiHeadAttention')).toBe(written);
  });

  it("gives the loss of the U-Net as it was exported, to 1e-5, and training's own to 1e-6", async () => {
    const input = {
      noisy: draw(base.latentChannels * side * side, 'noisy'),
      target: draw(base.latentChannels * side * side, 'target'),
      ...{ weights: Float32Array.of(0.7), timesteps: [321] },
      hidden: draw(shapes.tokens * base.unet.hiddenWidth, 'hidden'),
      pooled: draw(base.unet.ports.pooled?.dims[1] ?? 0, 'pooled'),
      timeIds: new Float32Array(6).fill(64),
    };
    const exported = await partSession(base.unet, { threads: 1 });
    const ports = unetShapes(base, shapes);
    const fed = unetFeeds(base, ports, input.noisy, input.timesteps, input);
    const output = toFloats((await exported.run(fed))[base.unet.ports.output.name]!);
    await exported.release();
    const squares = output.map((value, i) => (value - input.target[i]!) ** 2);
    const wanted = (0.7 * squares.reduce((sum, value) => sum + value, 0)) / output.length;

    const losses: number[] = [];
    for (const lossOnly of [true, false]) {
      const engine = await StepEngine.create({ base, method, plan, shapes, device: 'cpu', lossOnly });
      // Its additions start at zero: the base itself.
      const parameters = method.initialise(engine.plan, 3);
      losses.push((await engine.run(await engine.coefficients(parameters), input)).loss);
      await engine.release();
    }
    expect(Math.abs(losses[0]! / wanted - 1)).toBeLessThan(1e-5);
    expect(Math.abs(losses[0]! / losses[1]! - 1)).toBeLessThan(1e-6);
  });
});
