import type { TargetLayer } from '../../src/adapters/method.ts';
import { normals } from '../../src/common/random.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import { DataType, floatTensor, valueInfo } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32, type Tensor } from '../../src/runtime/tensor.ts';

/** Sizes of the small graph. */
export const sizes = { n: 2, c: 3, side: 6, channels: 10, features: 8, tokens: 18 } as const;

const random = (name: string, count: number, scale = 0.5) =>
  normals(1, `small:${name}`, count).map((x) => x * scale);

/**
 * A graph with every form of layer: conv 3x3 stride 2 with bias, conv 1x1 without, MatMul + Add, MatMul alone and
 * Gemm with bias (transB). Input `x` f32[2,3,6,6], output `y` f32[36,10].
 */
export function smallGraph(): { graph: Graph; layers: TargetLayer[] } {
  const graph = newGraph('small', 18);
  const { n, c, side, channels, features } = sizes;
  const weight = (name: string, dims: number[]) =>
    graph.setInitializer(
      floatTensor(
        name,
        dims,
        random(
          name,
          dims.reduce((a, b) => a * b, 1),
        ),
      ),
    );
  const note = (name: string, shape: number[]) => {
    graph.types.set(name, { type: DataType.FLOAT, shape });
    return name;
  };
  const step = (op: string, name: string, inputs: string[], shape: number[], attributes = {}) => {
    const node = graph.makeNode(op, inputs, { outputs: [`${name}.out`], hint: name, attributes });
    node.name = name;
    graph.push(node);
    return note(`${name}.out`, shape);
  };
  const x = graph.addInput('x', DataType.FLOAT, [n, c, side, side]);
  const conv3 = step(
    'Conv',
    'conv3',
    [x, weight('conv3.weight', [channels, c, 3, 3]), weight('conv3.bias', [channels])],
    [n, channels, 3, 3],
    {
      kernel_shape: [3n, 3n],
      strides: [2n, 2n],
      pads: [1n, 1n, 1n, 1n],
    },
  );
  const conv1 = step(
    'Conv',
    'conv1',
    [conv3, weight('conv1.weight', [channels, channels, 1, 1])],
    [n, channels, 3, 3],
    {
      kernel_shape: [1n, 1n],
    },
  );
  const gated = step('Sigmoid', 'gate', [conv1], [n, channels, 3, 3]);
  const rows = step('Transpose', 'rows', [gated], [n, 3, 3, channels], { perm: [0n, 2n, 3n, 1n] });
  const q = step('MatMul', 'to_q', [rows, weight('to_q.weight', [channels, features])], [n, 3, 3, features]);
  const gatedQ = step('Sigmoid', 'gate_q', [q], [n, 3, 3, features]);
  const out = step(
    'MatMul',
    'to_out',
    [gatedQ, weight('to_out.weight', [features, channels])],
    [n, 3, 3, channels],
  );
  const biased = step('Add', 'to_out_bias', [out, weight('to_out.bias', [channels])], [n, 3, 3, channels]);
  const flat = step('Flatten', 'flat', [biased], [n * 9, channels], { axis: 3n });
  const gemm = step(
    'Gemm',
    'proj',
    [flat, weight('proj.weight', [channels, channels]), weight('proj.bias', [channels])],
    [n * 9, channels],
    {
      transB: 1n,
    },
  );
  graph.push(graph.makeNode('Identity', [gemm], { outputs: ['y'] }));
  note('y', [n * 9, channels]);
  graph.setOutputs([valueInfo('y', DataType.FLOAT, [n * 9, channels])]);
  return {
    graph,
    layers: [
      { path: 'down.0.conv3', kind: 'conv', node: 'conv3', dIn: c, dOut: channels, kernel: [3, 3] },
      { path: 'down.0.conv1', kind: 'conv', node: 'conv1', dIn: channels, dOut: channels, kernel: [1, 1] },
      { path: 'mid.attn1.to_q', kind: 'linear', node: 'to_q', dIn: channels, dOut: features },
      { path: 'mid.attn1.to_out.0', kind: 'linear', node: 'to_out', dIn: features, dOut: channels },
      { path: 'mid.proj', kind: 'linear', node: 'proj', dIn: channels, dOut: channels },
    ],
  };
}

/** Picture that the small graph is fed. */
export const picture = (): Tensor => f32([sizes.n, sizes.c, sizes.side, sizes.side], random('x', 216, 1));

/** Runs a graph once on the CPU. */
export async function runGraph(graph: Graph, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await createSession(encodeGraph(graph), { threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** Largest absolute difference of two vectors. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`lengths ${a.length} and ${b.length}`);
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
  return worst;
}
