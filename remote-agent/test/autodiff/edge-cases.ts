import { attribute } from '../../src/onnx/attributes.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { DataType, int64Tensor, rawTensor } from '../../src/onnx/types.ts';
import { type Case, each, floats, ints, op } from './case.ts';

const scalar = (value: number) => floats([], Float32Array.of(value));
const tensor = (dims: readonly number[], values: readonly number[]) => (graph: Graph) => [
  graph.setInitializer(int64Tensor(graph.uniqueName('tensor'), dims, values)),
];
const int32 = (values: readonly number[]) => (graph: Graph) => [
  graph.setInitializer(
    rawTensor(
      graph.uniqueName('int32'),
      DataType.INT32,
      [values.length],
      new Uint8Array(Int32Array.from(values).buffer),
    ),
  ),
];
const none = () => [''];

/** An operator of the runtime's own domain. */
const fused =
  (type: string, attributes: Record<string, number> = {}) =>
  (graph: Graph, inputs: readonly string[]) => {
    graph.setOpset(1, 'com.microsoft');
    const node = graph.makeNode(type, inputs, { domain: 'com.microsoft', attributes });
    graph.push(node);
    return node.output[0]!;
  };

const resize =
  (attributes: Record<string, string>, scales: readonly number[], sizes?: readonly number[]) =>
  (graph: Graph, [x]: readonly string[]) => {
    const how = sizes ? each(none, ints(sizes)) : each(floats([scales.length], Float32Array.from(scales)));
    return graph.add('Resize', [x!, '', ...how(graph)], {
      attributes: { mode: 'nearest', ...attributes },
    });
  };

/** Further forms of the operators: other attributes, opsets, axes and constants. */
export const edgeCases: readonly Case[] = [
  { name: 'Sum of three, broadcast', inputs: [[2, 3], [3], [2, 1]], build: op('Sum') },
  {
    name: 'Div with a broadcast left side',
    inputs: [[3], [2, 3]],
    range: [0.5, 2],
    build: op('Div'),
  },
  {
    name: 'Pow by a constant of higher rank',
    inputs: [[3]],
    range: [0.5, 2],
    build: (g, [x]) => g.add('Pow', [x!, ...floats([1, 1], Float32Array.of(3))(g)]),
  },
  {
    name: 'Pow by several constants',
    inputs: [[2, 3]],
    range: [0.5, 2],
    build: (g, [x]) => g.add('Pow', [x!, ...floats([3], Float32Array.of(2, 0.5, -1))(g)]),
  },
  {
    name: 'Pow by an integer',
    inputs: [[2, 3]],
    build: (g, [x]) => g.add('Pow', [x!, ...tensor([], [3])(g)]),
  },
  {
    name: 'Clip, some values cut off',
    inputs: [[4, 5]],
    build: op('Clip', {}, { inputs: each(scalar(-0.4), scalar(0.5)) }),
  },
  { name: 'Clip from below alone', inputs: [[4, 5]], build: op('Clip', {}, { inputs: scalar(0.1) }) },
  { name: 'Max of three, broadcast', inputs: [[2, 3], [3], [2, 1]], build: op('Max') },
  { name: 'Min', inputs: [[2, 3], [3]], build: op('Min') },
  {
    name: 'QuickGelu as CLIP writes it',
    inputs: [[2, 5]],
    build: (g, [x]) => g.add('Mul', [x!, g.add('Sigmoid', [g.add('Mul', [x!, ...scalar(1.702)(g)])])]),
  },
  {
    name: 'GELU by the error function',
    inputs: [[2, 5]],
    build: (g, [x]) => {
      const erf = g.add('Erf', [g.add('Div', [x!, ...scalar(Math.SQRT2)(g)])]);
      const both = g.add('Mul', [x!, g.add('Add', [erf, ...scalar(1)(g)])]);
      return g.add('Mul', [both, ...scalar(0.5)(g)]);
    },
  },
  { name: 'fused Gelu', inputs: [[2, 5]], build: fused('Gelu') },
  { name: 'fused QuickGelu', inputs: [[2, 5]], build: fused('QuickGelu', { alpha: 1.702 }) },
  { name: 'Softmax over a middle axis', inputs: [[2, 3, 4]], build: op('Softmax', { axis: -2n }) },
  {
    name: 'MatMul of a vector and a matrix',
    inputs: [[4], [4, 2]],
    build: op('MatMul'),
  },
  {
    name: 'MatMul of a matrix and a stack',
    inputs: [
      [3, 4],
      [2, 4, 5],
    ],
    build: op('MatMul'),
  },
  {
    name: 'Einsum of stacks',
    inputs: [
      [2, 3, 4],
      [2, 5, 4],
    ],
    build: op('Einsum', { equation: 'bid,bjd->bij' }),
  },
  {
    name: 'Einsum without an arrow',
    inputs: [
      [3, 4],
      [4, 2],
    ],
    build: op('Einsum', { equation: 'ij,jk' }),
  },
  {
    name: 'Conv in groups',
    inputs: [[1, 4, 5, 5]],
    build: op(
      'Conv',
      { group: 2n },
      {
        inputs: floats(
          [4, 2, 3, 3],
          new Float32Array(72).map((_, i) => Math.sin(i)),
        ),
      },
    ),
  },
  {
    name: 'Conv with uneven padding',
    inputs: [
      [1, 2, 5, 6],
      [3, 2, 3, 3],
    ],
    build: op('Conv', { pads: [0n, 0n, 1n, 1n], strides: [2n, 2n] }),
  },
  { name: 'Identity', inputs: [[2, 3]], build: op('Identity') },
  { name: 'Dropout outside training', inputs: [[2, 3]], build: op('Dropout') },
  {
    name: 'Cast between float types',
    inputs: [[2, 3]],
    build: (g, [x]) =>
      g.add('Cast', [g.add('Cast', [x!], { attributes: { to: 11n } })], { attributes: { to: 1n } }),
  },
  { name: 'Transpose by default', inputs: [[2, 3, 4]], build: op('Transpose') },
  {
    name: 'Reshape with kept and open sizes',
    inputs: [[2, 3, 4]],
    build: op('Reshape', {}, { inputs: ints([0, -1]) }),
  },
  { name: 'Squeeze of every single axis', inputs: [[1, 2, 1, 3]], build: op('Squeeze') },
  {
    name: 'Slice with a step',
    inputs: [[2, 7]],
    build: op('Slice', {}, { inputs: each(ints([1]), ints([7]), ints([1]), ints([3])) }),
  },
  {
    name: 'Slice backwards',
    inputs: [[2, 7]],
    build: op('Slice', {}, { inputs: each(ints([-2]), ints([-(2 ** 40)]), ints([1]), ints([-2])) }),
  },
  {
    name: 'Slice of two axes with steps',
    inputs: [[5, 6]],
    build: op('Slice', {}, { inputs: each(ints([4, 0]), ints([-6, 6]), ints([0, 1]), ints([-1, 2])) }),
  },
  {
    name: 'even and odd columns, rotated as rotary embeddings do',
    inputs: [[2, 6]],
    build: (g, [x]) => {
      const part = (start: number) =>
        g.add('Slice', [x!, ...each(ints([start]), ints([6]), ints([1]), ints([2]))(g)]);
      return g.add('Mul', [part(0), g.add('Exp', [part(1)])]);
    },
  },
  {
    name: 'Split by sizes',
    inputs: [[2, 6]],
    build: op('Split', { axis: -1n }, { inputs: ints([1, 3, 2]), outputs: 3, take: 2 }),
  },
  {
    name: 'Split of opset 14',
    inputs: [[2, 6]],
    opset: 14,
    build: op('Split', { axis: 1n }, { outputs: 2, take: 1 }),
  },
  {
    name: 'Gather of one index',
    inputs: [[2, 4, 3]],
    build: op('Gather', { axis: 1n }, { inputs: tensor([], [-1]) }),
  },
  {
    name: 'Gather by int32 indices',
    inputs: [[4, 3]],
    build: op('Gather', {}, { inputs: int32([3, 0, 3]) }),
  },
  {
    name: 'GatherND of rows, one repeated',
    inputs: [[2, 4, 3]],
    build: op('GatherND', {}, { inputs: tensor([3, 2], [0, 1, 1, 3, 0, 1]) }),
  },
  {
    name: 'Pad of two axes of three',
    inputs: [[2, 3, 2]],
    build: op('Pad', {}, { inputs: each(ints([1, 0, 0, 2]), none, ints([-1, 0])) }),
  },
  { name: 'Pad that cuts off', inputs: [[3, 4]], build: op('Pad', {}, { inputs: ints([0, -1, 1, -2]) }) },
  {
    name: 'ReduceMean of opset 14',
    inputs: [[2, 3, 4]],
    opset: 14,
    build: op('ReduceMean', { axes: [-1n], keepdims: 0n }),
  },
  { name: 'ReduceSum over everything', inputs: [[2, 3]], build: op('ReduceSum', { keepdims: 0n }) },
  {
    name: 'ReduceSum over an empty list, everything',
    inputs: [[2, 3]],
    build: op('ReduceSum', {}, { inputs: ints([]) }),
  },
  {
    name: 'ReduceMean over an empty list, nothing',
    inputs: [[2, 3]],
    build: op('ReduceMean', { noop_with_empty_axes: 1n }, { inputs: ints([]) }),
  },
  {
    name: 'ReduceL2',
    inputs: [[2, 3, 4]],
    build: op('ReduceL2', { keepdims: 0n }, { inputs: ints([1, 2]) }),
  },
  { name: 'ReduceSumSquare', inputs: [[2, 3, 4]], build: op('ReduceSumSquare', {}, { inputs: ints([-1]) }) },
  { name: 'ReduceMax', inputs: [[2, 3, 4]], build: op('ReduceMax', {}, { inputs: ints([1]) }) },
  {
    name: 'ReduceMin',
    inputs: [[2, 3, 4]],
    build: op('ReduceMin', { keepdims: 0n }, { inputs: ints([-1]) }),
  },
  {
    name: 'GroupNormalization of opset 18, frozen scales per group',
    inputs: [[2, 4, 3, 2]],
    opset: 18,
    build: op(
      'GroupNormalization',
      { num_groups: 2n, epsilon: 1e-3 },
      { inputs: each(floats([2], Float32Array.of(0.5, -2)), floats([2], Float32Array.of(0.1, 1))) },
    ),
  },
  {
    name: 'GroupNormalization of opset 18, its scales trained',
    inputs: [[2, 6, 3], [3], [3]],
    opset: 18,
    build: op('GroupNormalization', { num_groups: 3n }),
  },
  { name: 'Resize, nearest, three times as wide', inputs: [[1, 2, 2, 3]], build: resize({}, [1, 1, 1, 3]) },
  {
    name: 'Resize, nearest, to a size that does not divide',
    inputs: [[1, 2, 3, 4]],
    build: resize({ coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }, [], [1, 2, 5, 7]),
  },
  {
    name: 'Resize of two axes by name',
    inputs: [[1, 2, 3, 4]],
    build: (g, [x]) =>
      g.add('Resize', [x!, '', ...floats([2], Float32Array.of(1.5, 2))(g)], {
        attributes: { mode: 'linear', axes: [-1n, -2n], keep_aspect_ratio_policy: 'stretch' },
      }),
  },
  {
    name: 'Resize, nearest, twice as high and half as wide',
    inputs: [[1, 2, 2, 4]],
    build: resize({}, [1, 1, 2, 0.5]),
  },
  ...(['half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel'] as const).map((how) => ({
    name: `Resize, linear, ${how}`,
    inputs: [[1, 2, 3, 4]],
    build: resize({ mode: 'linear', coordinate_transformation_mode: how }, [], [1, 2, 5, 6]),
  })),
  {
    name: 'Attention with a trained mask and scale',
    inputs: [
      [2, 2, 3, 4],
      [2, 2, 5, 4],
      [2, 2, 5, 4],
      [3, 5],
    ],
    opset: 23,
    build: op('Attention', { scale: 0.3 }),
  },
  {
    name: 'Attention with a mask of truth values',
    inputs: [
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ],
    opset: 23,
    build: (g, [q, k, v]) => {
      const bytes = Uint8Array.of(1, 0, 0, 1, 1, 0, 1, 1, 1);
      const mask = g.setInitializer(rawTensor(g.uniqueName('mask'), DataType.BOOL, [3, 3], bytes));
      return g.add('Attention', [q!, k!, v!, mask]);
    },
  },
  {
    name: 'an attribute list of axes on ReduceSumSquare of opset 14',
    inputs: [[2, 3]],
    opset: 14,
    build: (g, [x]) => {
      const node = g.makeNode('ReduceSumSquare', [x!]);
      node.attribute.push(attribute('axes', [0n]));
      g.push(node);
      return node.output[0]!;
    },
  },
];
