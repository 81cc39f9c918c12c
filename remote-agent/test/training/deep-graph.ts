import type { AdapterPlan, Method, TargetLayer } from '../../src/adapters/method.ts';
import { normals } from '../../src/common/random.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { newGraph } from '../../src/onnx/io.ts';
import { simplify } from '../../src/onnx/simplify.ts';
import { DataType, floatTensor, int64Tensor, valueInfo } from '../../src/onnx/types.ts';
import { buildStepGraph, type StepShapes, type UnetInputs } from '../../src/training/step-graph.ts';

export interface DeepSizes {
  readonly blocks: number;
  readonly channels: number;
  /** Height and width of the latents. */
  readonly side: number;
  readonly heads: number;
}

/**
 * A deep denoiser without a bottleneck, as an exporter writes one: `blocks` times a ResNet block and a transformer
 * block (self-attention, GEGLU), each reading only the sum of those before it. Random weights.
 */
export function deepGraph(sizes: DeepSizes): { graph: Graph; layers: TargetLayer[]; shapes: StepShapes } {
  const { blocks, channels, side, heads } = sizes;
  const graph = newGraph('deep', 21);
  const layers: TargetLayer[] = [];
  const pixels = side * side;
  const wide = channels / heads;
  const constant = (name: string, dims: number[], scale: number) => {
    const count = dims.reduce((a, b) => a * b, 1);
    const data = normals(1, `deep:${name}`, count).map((v) => v * scale);
    return graph.setInitializer(floatTensor(graph.uniqueName(name), dims, data));
  };
  const lone = (value: number) => graph.setInitializer(floatTensor(graph.uniqueName('lone'), [], [value]));
  const ints = (...values: number[]) =>
    graph.setInitializer(int64Tensor(graph.uniqueName('ints'), [values.length], values));
  const op = (type: string, inputs: string[], attributes = {}, hint = type) =>
    graph.add(type, inputs, { attributes, hint });
  const linear = (x: string, path: string, dIn: number, dOut: number, bias = false) => {
    const w = constant(`${path}.weight`, [dIn, dOut], 1 / Math.sqrt(dIn));
    const node = graph.makeNode('MatMul', [x, w], { hint: path });
    graph.push(node);
    layers.push({ path, kind: 'linear', node: node.name, dIn, dOut });
    const y = node.output[0]!;
    return bias ? op('Add', [constant(`${path}.bias`, [dOut], 0.1), y]) : y;
  };
  const convolution = (x: string, path: string, dIn: number, dOut: number) =>
    op('Conv', [x, constant(`${path}.weight`, [dOut, dIn, 3, 3], 1 / Math.sqrt(9 * dIn))], {
      kernel_shape: [3n, 3n],
      pads: [1n, 1n, 1n, 1n],
    });
  const groupNorm = (x: string, path: string) => {
    const ones = graph.setInitializer(floatTensor(graph.uniqueName('one'), [4], [1, 1, 1, 1]));
    const zeros = graph.setInitializer(floatTensor(graph.uniqueName('zero'), [4], [0, 0, 0, 0]));
    const n = op('InstanceNormalization', [op('Reshape', [x, ints(0, 4, -1)]), ones, zeros]);
    const y = op('Reshape', [n, ints(1, channels, side, side)]);
    return op('Add', [
      op('Mul', [y, constant(`${path}.scale`, [channels, 1, 1], 1)]),
      constant(`${path}.shift`, [channels, 1, 1], 0.1),
    ]);
  };
  const silu = (x: string) => op('Mul', [x, op('Sigmoid', [x])]);
  const layerNorm = (x: string, path: string) =>
    op('LayerNormalization', [
      x,
      constant(`${path}.scale`, [channels], 1),
      constant(`${path}.shift`, [channels], 0.1),
    ]);
  const attention = (x: string, path: string) => {
    const split = (name: string, perm: bigint[]) =>
      op(
        'Transpose',
        [op('Reshape', [linear(x, `${path}.${name}`, channels, channels), ints(1, pixels, heads, wide)])],
        { perm },
      );
    const q = op('Mul', [split('to_q', [0n, 2n, 1n, 3n]), lone(wide ** -0.25)]);
    const k = op('Mul', [split('to_k', [0n, 2n, 3n, 1n]), lone(wide ** -0.25)]);
    const p = op('Softmax', [op('MatMul', [q, k])], { axis: -1n });
    const y = op('Transpose', [op('MatMul', [p, split('to_v', [0n, 2n, 1n, 3n])])], {
      perm: [0n, 2n, 1n, 3n],
    });
    return linear(
      op('Reshape', [y, ints(1, pixels, channels)]),
      `${path}.to_out.0`,
      channels,
      channels,
      true,
    );
  };
  const feedForward = (x: string, path: string) => {
    const both = linear(x, `${path}.net.0.proj`, channels, 8 * channels, true);
    const half = (from: number, to: number) => op('Slice', [both, ints(from), ints(to), ints(2)]);
    const gate = half(4 * channels, 8 * channels);
    const erf = op('Erf', [op('Div', [gate, lone(Math.SQRT2)])]);
    const gelu = op('Mul', [op('Mul', [gate, op('Add', [erf, lone(1)])]), lone(0.5)]);
    return linear(op('Mul', [half(0, 4 * channels), gelu]), `${path}.net.2`, 4 * channels, channels, true);
  };

  graph.addInput('sample', DataType.FLOAT, [1, 4, side, side]);
  let x = convolution('sample', 'conv_in', 4, channels);
  for (let i = 0; i < blocks; i++) {
    const path = `blocks.${i}`;
    const h = convolution(silu(groupNorm(x, `${path}.norm1`)), `${path}.conv1`, channels, channels);
    const r = op('Add', [
      x,
      convolution(silu(groupNorm(h, `${path}.norm2`)), `${path}.conv2`, channels, channels),
    ]);
    const rows = op('Reshape', [op('Transpose', [r], { perm: [0n, 2n, 3n, 1n] }), ints(1, pixels, channels)]);
    const a = op('Add', [attention(layerNorm(rows, `${path}.norm3`), `${path}.attn1`), rows]);
    const f = op('Add', [feedForward(layerNorm(a, `${path}.norm4`), `${path}.ff`), a]);
    const image = op('Transpose', [op('Reshape', [f, ints(1, side, side, channels)])], {
      perm: [0n, 3n, 1n, 2n],
    });
    x = op('Add', [image, r]);
  }
  const y = convolution(silu(groupNorm(x, 'norm_out')), 'conv_out', channels, 4);
  graph.push(graph.makeNode('Identity', [y], { outputs: ['out_sample'] }));
  graph.setOutputs([valueInfo('out_sample', DataType.FLOAT, [1, 4, side, side])]);
  simplify(graph);
  return {
    graph,
    layers,
    shapes: { batch: 1, latentChannels: 4, latentHeight: side, latentWidth: side, tokens: 1 },
  };
}

/** A training step of the deep graph with all its attention layers adapted. */
export function deepStep(
  sizes: DeepSizes,
  method: Method,
  memory: 'fast' | 'lean',
): { graph: Graph; plan: AdapterPlan } {
  const { graph, layers, shapes } = deepGraph(sizes);
  const unet: UnetInputs = {
    sample: 'sample',
    timestep: '',
    shapes: { sample: [1, 4, sizes.side, sizes.side] },
    output: 'out_sample',
  };
  const plan = method.plan(
    layers.filter(({ path }) => path.includes('.attn1.')),
    method.name === 'lora' ? { rank: 4 } : { rank: 4, gamma: 1 },
  );
  buildStepGraph(graph, { shapes, unet, method, plan, memory });
  return { graph, plan };
}
