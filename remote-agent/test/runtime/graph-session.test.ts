import { describe, expect, it } from 'vitest';
import { Random } from '../../src/common/random.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import { narrow } from '../../src/onnx/narrow.ts';
import { plainAttention } from '../../src/onnx/plain-attention.ts';
import { DataType, valueInfo } from '../../src/onnx/types.ts';
import { placementText, readPlacement } from '../../src/runtime/placement.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32, sizeOf, type Tensor, toFloats } from '../../src/runtime/tensor.ts';
import { relativeError } from '../training/golden.ts';

function values(dims: readonly number[], use: string): Tensor {
  const random = new Random(3, use);
  return f32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
  );
}

/** What a graph computes on the CPU from these feeds, by output. */
async function computed(graph: Graph, feeds: Record<string, Tensor>) {
  const session = await createSession(encodeGraph(graph));
  const out = await session.run(feeds);
  await session.release();
  return Object.fromEntries(Object.entries(out).map(([name, tensor]) => [name, toFloats(tensor)]));
}

function attention(queries: number, keys: number): { graph: Graph; feeds: Record<string, Tensor> } {
  const graph = newGraph('attention', 18);
  graph.setOpset(1, 'com.microsoft');
  const dims = { q: [2, queries, 12], k: [2, keys, 12], v: [2, keys, 12] };
  for (const [name, shape] of Object.entries(dims)) graph.addInput(name, DataType.FLOAT, shape);
  graph.push(
    graph.makeNode('MultiHeadAttention', ['q', 'k', 'v'], {
      domain: 'com.microsoft',
      outputs: ['y'],
      attributes: { num_heads: 3n, scale: 0.4 },
    }),
  );
  graph.setOutputs([valueInfo('y', DataType.FLOAT, [2, queries, 12])]);
  return { graph, feeds: Object.fromEntries(Object.entries(dims).map(([n, d]) => [n, values(d, n)])) };
}

describe('attention for a device without a sound kernel of it', () => {
  it.each([
    { queries: 5, keys: 7, blocks: 1 },
    // 2 x 3 x 1,201 x 1,301 probabilities of four bytes: two blocks of 2^25.
    { queries: 1201, keys: 1301, blocks: 2 },
  ])('is what the fused operator computes, $queries queries in $blocks blocks', async (sizes) => {
    const { graph, feeds } = attention(sizes.queries, sizes.keys);
    const wanted = await computed(graph, feeds);
    expect(plainAttention(graph)).toBe(1);
    const operators = graph.nodes.map(({ opType }) => opType);
    expect(operators).not.toContain('MultiHeadAttention');
    expect(operators.filter((name) => name === 'Softmax')).toHaveLength(sizes.blocks);
    const found = await computed(graph, feeds);
    expect(relativeError(found.y!, wanted.y!)).toBeLessThan(2e-6);
  });
});

describe('a node that reads or writes more tensors than a device binds', () => {
  it('becomes several that give the same, each of no more', async () => {
    const graph = newGraph('wide', 18);
    graph.addInput('x', DataType.FLOAT, [3, 40]);
    const parts = Array.from({ length: 20 }, (_, i) => `part${i}`);
    graph.push(
      graph.makeNode('Split', ['x'], { outputs: parts, attributes: { axis: 1n, num_outputs: 20n } }),
      graph.makeNode('Concat', parts.toReversed(), { outputs: ['y'], attributes: { axis: -1n } }),
    );
    for (const part of parts) graph.types.set(part, { type: DataType.FLOAT, shape: [3, 2] });
    graph.setOutputs([valueInfo('y', DataType.FLOAT, [3, 40])]);
    const feeds = { x: values([3, 40], 'x') };
    const wanted = await computed(graph, feeds);
    expect(narrow(graph, 8)).toBe(2);
    // The bounds of a Slice are constants, which the runtime reads itself.
    const bound = graph.nodes.map(
      ({ input, output }) => input.filter((name) => !graph.initializers.has(name)).length + output.length,
    );
    expect(Math.max(...bound)).toBeLessThanOrEqual(8);
    expect(await computed(graph, feeds)).toEqual(wanted);
  });
});

describe('where operators run', () => {
  it('is counted from a profile of one run, and told in a line', () => {
    const event = (name: string, op_name: string, provider: string) => ({
      ...{ cat: 'Node', name: `${name}_kernel_time`, args: { op_name, provider } },
    });
    const profile = [
      { cat: 'Session', name: 'model_run' },
      event('a', 'MatMul', 'WebGpuExecutionProvider'),
      event('b', 'MatMul', 'WebGpuExecutionProvider'),
      event('c', 'Conv', 'WebGpuExecutionProvider'),
      event('d', 'Sin', 'CPUExecutionProvider'),
      event('e', 'Cast', 'CPUExecutionProvider'),
      event('f', 'Cast', 'CPUExecutionProvider'),
      { cat: 'Node', name: 'a_fence_before', args: { op_name: 'MatMul' } },
    ];
    const placement = readPlacement(JSON.stringify(profile));
    expect(placement).toEqual({ webgpu: { MatMul: 2, Conv: 1 }, cpu: { Sin: 1, Cast: 2 } });
    expect(placementText(placement, 'webgpu')).toBe('3 of 6 operators run on webgpu; on cpu: Cast 2, Sin 1');
  });

  it('is told by a session after its first run, and by it alone', async () => {
    const { graph, feeds } = attention(4, 4);
    const session = await createSession(encodeGraph(graph), { tellPlacement: true });
    expect(session.placement).toBeUndefined();
    await session.run(feeds);
    expect(session.placement).toEqual({ cpu: { MultiHeadAttention: 1 } });
    await session.run(feeds);
    expect(session.placement).toEqual({ cpu: { MultiHeadAttention: 1 } });
    await session.release();
  });
});
