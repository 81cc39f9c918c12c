import { describe, expect, it } from 'vitest';
import { type AttributeValue, attribute } from '../../src/onnx/attributes.ts';
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import type { TensorProto } from '../../src/onnx/proto/onnx_pb.ts';
import { simplify } from '../../src/onnx/simplify.ts';
import { DataType, floatTensor, int64Tensor, rawTensor, valueInfo } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';

type Make = (name: string) => TensorProto;
const f =
  (dims: number[], ...values: number[]): Make =>
  (name) =>
    floatTensor(name, dims, values);
const i =
  (dims: number[], ...values: number[]): Make =>
  (name) =>
    int64Tensor(name, dims, values);
const i32 =
  (dims: number[], ...values: number[]): Make =>
  (name) =>
    rawTensor(name, DataType.INT32, dims, new Uint8Array(Int32Array.from(values).buffer));
const b =
  (dims: number[], ...values: number[]): Make =>
  (name) =>
    rawTensor(name, DataType.BOOL, dims, Uint8Array.from(values));
const d =
  (dims: number[], ...values: number[]): Make =>
  (name) =>
    rawTensor(name, DataType.DOUBLE, dims, new Uint8Array(Float64Array.from(values).buffer));

const largest = 2 ** 63;

/** `left`: not computed beforehand. */
type Row = readonly [
  op: string,
  inputs: readonly Make[],
  attributes?: Record<string, AttributeValue>,
  left?: 'left',
];
const to = (type: DataType) => ({ to: BigInt(type) });
const reals = f([2, 3], 0.1, -0.7, 3, 1e-30, 16777217, -2.5);
const rows: Row[] = [
  ...['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min'].flatMap((op): Row[] => [
    [op, [reals, f([3], 0.3, -0.2, 7)]],
    [op, [i([2, 2], 7, -7, 5, 100), i([2], 2, -3)]],
    [op, [i32([3], 7, -7, 1), i32([], 2)]],
  ]),
  ...['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual'].map(
    (op): Row => [op, [i([3], 1, 2, 3), i([], 2)]],
  ),
  ['And', [b([2, 1], 1, 0), b([2], 1, 0)]],
  ['Or', [b([2, 1], 1, 0), b([2], 1, 0)]],
  ['Not', [b([2], 1, 0)]],
  ['Mod', [i([4], 7, -7, 7, -7), i([4], 3, 3, -3, -3)]],
  ['Mod', [i([4], 7, -7, 7, -7), i([4], 3, 3, -3, -3)], { fmod: 1n }],
  ['Sqrt', [f([3], 2, 0.1, 40)]],
  ['Neg', [reals]],
  ['Neg', [i([2], 0, 5)]],
  ['Floor', [reals]],
  ['Reciprocal', [reals]],
  ['Cast', [f([4], 1.9, -1.9, 0, 3)], to(DataType.INT64)],
  ['Cast', [f([3], 0.5, 0, -3)], to(DataType.BOOL)],
  ['Cast', [i([3], 16777217, -5, 0)], to(DataType.FLOAT)],
  ['Cast', [i([2], 7, 0)], to(DataType.BOOL)],
  ['Cast', [b([2], 1, 0)], to(DataType.INT64)],
  ['Cast', [d([2], 0.1, 1 / 3)], to(DataType.FLOAT)],
  ['Cast', [i32([2], 3, -4)], to(DataType.INT64)],
  ['Reshape', [i([2, 3], 1, 2, 3, 4, 5, 6), i([2], 0, -1)]],
  ['Unsqueeze', [i([], largest), i([1], 0)]],
  ['Squeeze', [i([1, 2], 4, 5), i([1], 0)]],
  ['Expand', [f([2, 1], 1, 2), i([3], 2, 2, 3)]],
  ['Where', [b([2, 1], 1, 0), i([2], 1, largest), i([1], -1)]],
  ['ConstantOfShape', [i([2], 2, 3)], { value: floatTensor('v', [1], [0.3]) }],
  ['ConstantOfShape', [i([1], 2)]],
  ['Range', [i([], 2), i([], 11), i([], 3)]],
  ['Range', [i([], 5), i([], -4), i([], -2)]],
  ['Range', [f([], 0), f([], 1), f([], 0.1)], {}, 'left'],
  ['Concat', [i([2], 1, 2), i([1], largest)], { axis: 0n }],
  ['Gather', [i([3], 5, 6, 7), i([2, 2], 0, -1, 1, 2)]],
  ['Gather', [i([3], 5, 6, 7), i([], -2)]],
  ['Slice', [i([5], 1, 2, 3, 4, 5), i([1], 1), i([1], largest)]],
  ['Slice', [i([5], 1, 2, 3, 4, 5), i([1], -1), i([1], -(2 ** 62)), i([1], 0), i([1], -2)]],
  ['Slice', [i([2, 3], 1, 2, 3, 4, 5, 6), i([2], 0, -1), i([2], 9, -4), i([2], 0, 1), i([2], 1, -1)]],
  ['Transpose', [i([2, 3], 1, 2, 3, 4, 5, 6)]],
  ['Transpose', [i([1, 2, 3], 1, 2, 3, 4, 5, 6)], { perm: [1n, 2n, 0n] }],
  ['ReduceSum', [i([3], 1, 2, 3), i([1], 0)], { keepdims: 0n }],
  ['ReduceSum', [i([3], 1, 2, 3)], { noop_with_empty_axes: 1n }, 'left'],
  ['Div', [i([2], 1, 0), i([2], 2, 1)]],
  ['Mul', [i([1], 2 ** 40), i([1], 2 ** 40)], {}, 'left'],
  ['Cast', [f([2], Number.NaN, 1e30)], to(DataType.INT64), 'left'],
  ['Unsqueeze', [i([], -(2 ** 62)), i([1], 0)], {}, 'left'],
  ['ReduceSum', [f([4], 1e8, 1, -1e8, 0.1)], {}, 'left'],
  ['ReduceMax', [i([3], 1, 9, 3)], { keepdims: 0n }],
  ['Shape', [f([2, 3, 1], 1, 2, 3, 4, 5, 6)], { start: 1n }],
  ['Shape', [f([2, 3, 1], 1, 2, 3, 4, 5, 6)], { start: -2n, end: -1n }],
];

/** A graph that computes from constants alone; the Identity keeps the result from being an output itself. */
function constantGraph([op, inputs, attributes = {}]: Row) {
  const graph = newGraph('constants', 20);
  const names = inputs.map((make, k) => graph.setInitializer(make(`c${k}`)));
  const node = graph.makeNode(op, names, { outputs: ['r'] });
  for (const [name, value] of Object.entries(attributes)) node.attribute.push(attribute(name, value));
  graph.push(node, graph.makeNode('Identity', ['r'], { outputs: ['y'] }));
  graph.setOutputs([valueInfo('y', DataType.UNDEFINED, [])]);
  graph.outputs[0]!.type = undefined;
  return graph;
}

async function result(graph: ReturnType<typeof constantGraph>) {
  const session = await createSession(encodeGraph(graph), { optimization: 'disabled', threads: 1 });
  const { y } = await session.run({});
  await session.release();
  return { type: y!.type, dims: y!.dims, data: [...(y!.data as Iterable<number | bigint>)] };
}

describe('what is computed from constants beforehand is what the runtime computes, to the last bit', () => {
  it.each(rows.map((row, at) => [`${row[0]} (${at})`, row] as const))('%s', async (_name, row) => {
    const wanted = await result(constantGraph(row));
    const graph = constantGraph(row);
    simplify(graph);
    expect(await result(graph)).toEqual(wanted);
    const stays = graph.nodes.some((node) => node.opType === row[0]);
    expect(stays, 'whether the operator is still there').toBe(row[3] === 'left');
  });

  it('leaves a division by zero of integers to the runtime', () => {
    const graph = constantGraph(['Div', [i([1], 1), i([1], 0)]]);
    simplify(graph);
    expect(graph.nodes.map((node) => node.opType)).toContain('Div');
  });
});
