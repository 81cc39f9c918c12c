import { describe, expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { attachSlots, ranksFor, slotNames } from '../../src/adapters/slots.ts';
import { normals } from '../../src/common/random.ts';
import type { AppliedAdapter } from '../../src/diffusion/adapter-slots.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { forwardGraph } from '../../src/diffusion/denoiser.ts';
import { generate } from '../../src/diffusion/generate.ts';
import { drawingPrecision, type PrecisionSetting } from '../../src/diffusion/precision.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { findLayers } from '../../src/onnx/modules.ts';
import { countOf, dimsOf } from '../../src/onnx/tensor-data.ts';
import { DataType } from '../../src/onnx/types.ts';
import { weightBytes } from '../../src/onnx/weights.ts';
import { appliedAdapter } from '../../src/training/samples.ts';
import { goldenPath } from '../training/golden.ts';

const pocket = openBase('pocket-sdxl');
const tiny = openBase(goldenPath('bases/tiny-optimum'));

/** An adapter that changes every attention layer as a run of this method would. */
function adapterOf(name: 'lora' | 'para'): AppliedAdapter {
  const method = methodByName(name);
  const layers = chooseLayers(findLayers(loadGraph(pocket.unet)).layers, 'attention');
  const plan = method.plan(layers, name === 'para' ? { rank: 2, gamma: 1 } : { rank: 4 });
  const values = normals(1, name, plan.parameterCount).map((x) => x * 0.05);
  return appliedAdapter(method, plan, values);
}

const draw = async (precision: PrecisionSetting, adapters: readonly AppliedAdapter[] = []) =>
  (await generate(pocket, { prompt: 'a red teapot', seed: 3, steps: 12, precision, adapters }))[0]!;

const furthest = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
};

describe('a picture drawn in half precision', () => {
  it.each([
    ['no adapter', []],
    ['a LoRA', ['lora']],
    ['PaRa', ['para']],
    ['both', ['para', 'lora']],
  ] as const)('is within 2 of 255 levels of the one in single precision, with %s', async (_, names) => {
    const adapters = names.map(adapterOf);
    const [single, half] = [await draw('f32', adapters), await draw('f16', adapters)];
    expect(new Set(half.pixels).size).toBeGreaterThan(32);
    expect(half.latents).not.toEqual(single.latents);
    expect(furthest(half.pixels, single.pixels)).toBeLessThanOrEqual(2);
    const off = half.pixels.filter((level, i) => level !== single.pixels[i]).length;
    expect(off / half.pixels.length).toBeLessThan(0.1);
  });

  it('is none on the processor unless it is asked for, and is repeated to the bit', async () => {
    const [single, half] = [await draw('f32'), await draw('f16')];
    expect((await draw('auto')).latents).toEqual(single.latents);
    expect((await draw('f16')).latents).toEqual(half.latents);
  });
});

it('auto draws in half precision where the device is faster so and the base is stored so', () => {
  expect(drawingPrecision(pocket, 'cuda', 'auto')).toBe('f16');
  expect(drawingPrecision(tiny, 'cuda', 'auto')).toBe('f32');
  for (const device of ['cpu', 'webgpu'] as const)
    expect(drawingPrecision(pocket, device, 'auto')).toBe('f32');
  expect(drawingPrecision(pocket, 'cuda', 'f32')).toBe('f32');
  expect(drawingPrecision(tiny, 'cpu', 'f16')).toBe('f16');
});

describe('the U-Net in half precision', () => {
  const shape = { batch: 2, latentHeight: 8, latentWidth: 8, tokens: pocket.textEncoders[0]!.tokens };
  const { operators } = adapterOf('lora');
  const edit = (graph: Graph) => {
    attachSlots(graph, findLayers(graph).layers, ranksFor([operators]));
  };
  const [single, half] = (['f32', 'f16'] as const).map((precision) =>
    forwardGraph(pocket, shape, { precision, edit }),
  ) as [Graph, Graph];
  const typesOf = (operator: string) => [
    ...new Set(
      half.nodes
        .filter(({ opType }) => opType === operator)
        .map(({ output }) => half.types.get(output[0]!)!.type),
    ),
  ];

  it('reads stored halves as they lie: no weight is held in f32', () => {
    expect(weightBytes(half) / weightBytes(single)).toBeLessThan(0.55);
    const unfolded = half.nodes
      .filter(({ opType }) => opType === 'Cast')
      .map(({ input }) => half.initializers.get(input[0]!))
      .filter((tensor) => tensor && countOf(dimsOf(tensor)) > 64);
    expect(unfolded).toEqual([]);
  });

  it('computes products, convolutions and attention in halves, norms and sines in single precision', () => {
    for (const operator of ['Conv', 'MultiHeadAttention', 'LayerNormalization'])
      expect(typesOf(operator), operator).toEqual([DataType.FLOAT16]);
    for (const operator of ['InstanceNormalization', 'Sin', 'Cos'])
      expect(typesOf(operator), operator).toEqual([DataType.FLOAT]);
    expect(half.nodes.some(({ opType }) => opType === 'Softmax')).toBe(false);
  });

  it('takes and gives what it does in single precision: adapters are fed in f32', () => {
    expect(half.inputs.some(({ name }) => name === slotNames.additions)).toBe(true);
    for (const { name } of [...half.inputs, ...half.outputs])
      expect(half.types.get(name)!.type, name).toBe(single.types.get(name)!.type);
  });
});
