import { describe, expect, it } from 'vitest';
import { gradients } from '../../src/autodiff/gradients.ts';
import { probabilityBytes } from '../../src/autodiff/rules/attention.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import { simplify } from '../../src/onnx/simplify.ts';
import { countOf } from '../../src/onnx/tensor-data.ts';
import { DataType, floatTensor, int64Tensor, valueInfo } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32, toFloats } from '../../src/runtime/tensor.ts';
import { draw } from './case.ts';

const names = ['q', 'k', 'v'];

function start(queries: number, keys: number, width: number): Graph {
  const graph = newGraph('attention', 21);
  for (const name of names) graph.addInput(name, DataType.FLOAT, [1, name === 'q' ? queries : keys, width]);
  return graph;
}

function fused(graph: Graph, heads: number): string {
  graph.setOpset(1, 'com.microsoft');
  const attributes = { num_heads: BigInt(heads) };
  return graph.add('MultiHeadAttention', names, { domain: 'com.microsoft', attributes });
}

/** The same, written out. */
function written(graph: Graph, heads: number): string {
  const width = graph.types.get('q')!.shape[2]!;
  const list = (values: number[]) =>
    graph.setInitializer(int64Tensor(graph.uniqueName('list'), [values.length], values));
  const [q, k, v] = names.map((name) => {
    const apart = graph.add('Reshape', [name, list([1, -1, heads, width / heads])]);
    const perm = name === 'k' ? [0n, 2n, 3n, 1n] : [0n, 2n, 1n, 3n];
    return graph.add('Transpose', [apart], { attributes: { perm } });
  }) as [string, string, string];
  const root = Math.sqrt(width / heads);
  const scores = graph.add('Div', [
    graph.add('MatMul', [q, k]),
    graph.setInitializer(floatTensor('root', [], [root])),
  ]);
  const out = graph.add('MatMul', [graph.add('Softmax', [scores], { attributes: { axis: -1n } }), v]);
  const joined = graph.add('Transpose', [out], { attributes: { perm: [0n, 2n, 1n, 3n] } });
  return graph.add('Reshape', [joined, list([1, -1, width])]);
}

/** The gradient of the sum of y^2 in q, k and v. */
async function backward(graph: Graph, y: string) {
  graph.addOutput(y, DataType.FLOAT, []);
  simplify(graph);
  const loss = graph.add('ReduceSumSquare', [y], { attributes: { keepdims: 0n } });
  graph.types.set(loss, { type: DataType.FLOAT, shape: [] });
  const found = gradients(graph, loss, names);
  graph.setOutputs([...found.values()].map((name) => valueInfo(name, DataType.FLOAT, [])));
  const session = await createSession(encodeGraph(graph), { optimization: 'basic', memoryPattern: false });
  const feeds = Object.fromEntries(
    session.inputs.map(({ name, dims }, i) => [name, f32(dims as number[], draw(i, dims as number[]))]),
  );
  const out = await session.run(feeds);
  await session.release();
  return names.map((name) => toFloats(out[found.get(name)!]!));
}

const largest = (graph: Graph) =>
  Math.max(...[...graph.types.values()].map(({ shape }) => 4 * countOf(shape as number[])));

describe('the gradient of fused attention over many tokens', () => {
  it('holds no more probabilities than a block at once, and is that of the whole', async () => {
    const [queries, keys, heads, width] = [1501, 3000, 2, 8];
    const one = start(queries, keys, width);
    const blocks = await backward(one, fused(one, heads));
    expect(one.nodes.filter((node) => node.opType === 'Softmax')).toHaveLength(2);
    expect(largest(one)).toBeLessThanOrEqual(probabilityBytes);
    const other = start(queries, keys, width);
    const whole = await backward(other, written(other, heads));
    expect(largest(other)).toBeGreaterThan(probabilityBytes);
    for (const [i, values] of blocks.entries()) {
      const scale = whole[i]!.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      const error = values.reduce((most, v, at) => Math.max(most, Math.abs(v - whole[i]![at]!)), 0);
      expect(error / scale, names[i]).toBeLessThan(1e-4);
    }
  });
});
