import { expect, it } from 'vitest';
import { canonicalise } from '../../src/autodiff/canonicalise.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeGraph } from '../../src/onnx/io.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32, toFloats } from '../../src/runtime/tensor.ts';
import { deepGraph } from '../training/deep-graph.ts';
import { relativeError } from '../training/golden.ts';
import { draw } from './case.ts';

const sizes = { blocks: 2, channels: 8, side: 4, heads: 2 };

async function output(graph: Graph): Promise<Float32Array> {
  const session = await createSession(encodeGraph(graph), { optimization: 'disabled', threads: 1 });
  const out = await session.run({ sample: f32([1, 4, 4, 4], draw(3, [1, 4, 4, 4])) });
  await session.release();
  return toFloats(out.out_sample!);
}

const count = (graph: Graph, type: string) => graph.nodes.filter((node) => node.opType === type).length;

it('the form that is differentiated gives what the exported one gives', async () => {
  const { graph } = deepGraph(sizes);
  const before = await output(graph);
  canonicalise(graph);
  expect(relativeError(await output(graph), before)).toBeLessThan(1e-6);
});

it('has one product for a layer with its bias, and reshapes only for heads and pixels', () => {
  const { graph, layers } = deepGraph(sizes);
  canonicalise(graph);
  const linear = graph.nodes.filter((node) => layers.some((layer) => layer.node === node.name));
  expect(linear.map((node) => node.opType)).toEqual(layers.map(() => 'Gemm'));
  const biased = layers.filter(({ path }) => /to_out\.0|net/.test(path)).length;
  expect(linear.filter((node) => node.input.length === 3)).toHaveLength(biased);
  expect(count(graph, 'MultiHeadAttention')).toBe(sizes.blocks);
  for (const operator of ['MatMul', 'Softmax']) expect(count(graph, operator), operator).toBe(0);
  // A block: groups and back twice, pixels to rows and back, tokens of q, k, v and back; the last norm.
  expect(count(graph, 'Reshape')).toBe(10 * sizes.blocks + 2);
});
