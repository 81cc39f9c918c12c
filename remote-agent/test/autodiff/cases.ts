import { type Case, each, floats, ints, op } from './case.ts';
import { edgeCases } from './edge-cases.ts';

/** One or more for every operator with a rule (see `coverage.test.ts`). */
export const cases: readonly Case[] = [
  ...edgeCases,
  ...(['Add', 'Sub', 'Mul'] as const).flatMap((type) =>
    [
      [
        [2, 3],
        [2, 3],
      ],
      [[2, 3, 4], [4]],
      [
        [2, 1, 4],
        [3, 1],
      ],
      [[], [2, 2]],
    ].map((inputs) => ({ name: `${type} ${JSON.stringify(inputs)}`, inputs, build: op(type) })),
  ),
  { name: 'Div', inputs: [[2, 3], [3]], range: [0.5, 2], build: op('Div') },
  {
    name: 'Pow by 2',
    inputs: [[2, 3]],
    build: (g, [x]) => g.add('Pow', [x!, ...floats([], Float32Array.of(2))(g)]),
  },
  {
    name: 'Pow by 1.5',
    inputs: [[2, 3]],
    range: [0.5, 2],
    build: (g, [x]) => g.add('Pow', [x!, ...floats([], Float32Array.of(1.5))(g)]),
  },
  { name: 'Pow of two values', inputs: [[2, 3], [3]], range: [0.5, 2], build: op('Pow') },
  { name: 'a square written as x * x', inputs: [[3]], build: (g, [x]) => g.add('Mul', [x!, x!]) },
  ...(['Neg', 'Exp', 'Sigmoid', 'Tanh', 'Erf'] as const).map((type) => ({
    name: type,
    inputs: [[2, 5]],
    build: op(type),
  })),
  ...(['Sqrt', 'Log', 'Reciprocal', 'Abs', 'Relu'] as const).map((type) => ({
    name: type,
    inputs: [[2, 5]],
    range: [0.5, 2] as const,
    build: op(type),
  })),
  { name: 'SiLU', inputs: [[2, 5]], build: (g, [x]) => g.add('Mul', [x!, g.add('Sigmoid', [x!])]) },
  {
    name: 'SiLU the other way round',
    inputs: [[2, 5]],
    build: (g, [x]) => g.add('Mul', [g.add('Sigmoid', [x!]), x!]),
  },
  { name: 'Gelu', inputs: [[2, 5]], opset: 20, build: op('Gelu') },
  { name: 'Gelu by tanh', inputs: [[2, 5]], opset: 20, build: op('Gelu', { approximate: 'tanh' }) },
  { name: 'Softmax over the last axis', inputs: [[2, 3, 4]], build: op('Softmax') },
  {
    name: 'attention, more tokens than a head is wide',
    inputs: [
      [2, 5, 3],
      [2, 3, 5],
      [2, 5, 3],
    ],
    build: (g, [q, k, v]) => g.add('MatMul', [g.add('Softmax', [g.add('MatMul', [q!, k!])]), v!]),
  },
  {
    name: 'attention whose probabilities are read twice',
    inputs: [
      [2, 5, 5],
      [2, 5, 3],
    ],
    build: (g, [scores, v]) => {
      const p = g.add('Softmax', [scores!]);
      return g.add('Concat', [g.add('MatMul', [p, v!]), p], { attributes: { axis: 2n } });
    },
  },
  { name: 'Softmax over the first axis', inputs: [[3, 4]], build: op('Softmax', { axis: 0n }) },
  {
    name: 'MatMul of matrices',
    inputs: [
      [3, 4],
      [4, 2],
    ],
    build: op('MatMul'),
  },
  {
    name: 'MatMul of rows and a matrix',
    inputs: [
      [2, 3, 4],
      [4, 2],
    ],
    build: op('MatMul'),
  },
  {
    name: 'MatMul of stacks',
    inputs: [
      [2, 3, 4],
      [2, 4, 5],
    ],
    build: op('MatMul'),
  },
  {
    name: 'MatMul with a broadcast stack',
    inputs: [
      [2, 2, 3, 4],
      [1, 2, 4, 5],
    ],
    build: op('MatMul'),
  },
  ...[0n, 1n].flatMap((transA) =>
    [0n, 1n].map((transB) => ({
      name: `Gemm transA ${transA} transB ${transB}`,
      inputs: [transA ? [4, 3] : [3, 4], transB ? [2, 4] : [4, 2], [2]],
      build: op('Gemm', { transA, transB, alpha: 0.7, beta: 1.3 }),
    })),
  ),
  ...(
    [
      ['3 x 3', [1, 2, 5, 6], [3, 2, 3, 3], { pads: [1n, 1n, 1n, 1n] }],
      [
        '3 x 3 with stride 2, odd size',
        [2, 2, 5, 7],
        [3, 2, 3, 3],
        { pads: [1n, 1n, 1n, 1n], strides: [2n, 2n] },
      ],
      [
        '3 x 3 with stride 2, even size',
        [1, 2, 6, 8],
        [2, 2, 3, 3],
        { pads: [1n, 1n, 1n, 1n], strides: [2n, 2n] },
      ],
      ['1 x 1', [2, 3, 4, 4], [2, 3, 1, 1], {}],
      ['with dilation', [1, 2, 7, 7], [2, 2, 3, 3], { dilations: [2n, 2n] }],
    ] as const
  ).map(([what, x, w, attributes]) => ({
    name: `Conv ${what}`,
    inputs: [x, w, [w[0]]],
    build: op('Conv', attributes),
  })),
  { name: 'Reshape', inputs: [[2, 6]], build: op('Reshape', {}, { inputs: ints([3, 4]) }) },
  { name: 'Transpose', inputs: [[2, 3, 4]], build: op('Transpose', { perm: [2n, 0n, 1n] }) },
  { name: 'Flatten', inputs: [[2, 3, 4]], build: op('Flatten', { axis: 2n }) },
  { name: 'Unsqueeze', inputs: [[2, 3]], build: op('Unsqueeze', {}, { inputs: ints([1, 3]) }) },
  { name: 'Squeeze', inputs: [[2, 1, 3]], build: op('Squeeze', {}, { inputs: ints([1]) }) },
  { name: 'Expand', inputs: [[2, 1, 3]], build: op('Expand', {}, { inputs: ints([4, 2, 5, 3]) }) },
  {
    name: 'Slice of one axis',
    inputs: [[2, 6]],
    build: op('Slice', {}, { inputs: each(ints([2]), ints([5]), ints([-1])) }),
  },
  {
    name: 'Slice of two axes',
    inputs: [[4, 6]],
    build: op('Slice', {}, { inputs: each(ints([1, 2]), ints([3, 100]), ints([0, 1])) }),
  },
  {
    name: 'slices that overlap',
    inputs: [[6]],
    build: (g, [x]) => {
      const part = (a: number, b: number) => g.add('Slice', [x!, ...each(ints([a]), ints([b]))(g)]);
      return g.add('Mul', [part(0, 4), part(2, 6)]);
    },
  },
  {
    name: 'Split, one part unused',
    inputs: [[2, 6]],
    build: op('Split', { axis: 1n, num_outputs: 3n }, { outputs: 3, take: 1 }),
  },
  {
    name: 'Concat',
    inputs: [
      [2, 3],
      [2, 1],
      [2, 2],
    ],
    build: op('Concat', { axis: 1n }),
  },
  { name: 'Gather of repeated rows', inputs: [[4, 3]], build: op('Gather', {}, { inputs: ints([2, 0, 2]) }) },
  {
    name: 'Gather along the last axis',
    inputs: [[2, 4, 3]],
    build: op('Gather', { axis: -1n }, { inputs: ints([1, 1, 0]) }),
  },
  { name: 'Pad', inputs: [[2, 3]], build: op('Pad', {}, { inputs: ints([0, 1, 2, 0]) }) },
  {
    name: 'ReduceMean over an inner axis',
    inputs: [[2, 3, 4]],
    build: op('ReduceMean', {}, { inputs: ints([1]) }),
  },
  {
    name: 'ReduceSum without keeping axes',
    inputs: [[2, 3, 4]],
    build: op('ReduceSum', { keepdims: 0n }, { inputs: ints([0, -1]) }),
  },
  {
    name: 'LayerNormalization',
    inputs: [[2, 3, 5], [5], [5]],
    build: op('LayerNormalization', { axis: -1n, epsilon: 1e-5 }),
  },
  {
    name: 'LayerNormalization without bias over two axes',
    inputs: [
      [2, 3, 4],
      [3, 4],
    ],
    build: op('LayerNormalization', { axis: 1n }),
  },
  {
    name: 'InstanceNormalization',
    inputs: [[2, 3, 4, 2], [3], [3]],
    build: op('InstanceNormalization', { epsilon: 1e-5 }),
  },
  {
    name: 'group normalisation as exporters write it',
    inputs: [[2, 4, 3, 2]],
    build: (g, [x]) => {
      const grouped = g.add('Reshape', [x!, ...ints([0, 2, -1])(g)]);
      const ones = floats([2], Float32Array.of(1, 1))(g);
      const zeros = floats([2], Float32Array.of(0, 0))(g);
      const normal = g.add('InstanceNormalization', [grouped, ...ones, ...zeros]);
      return g.add('Reshape', [normal, ...ints([2, 4, 3, 2])(g)]);
    },
  },
  {
    name: 'GroupNormalization of opset 21',
    inputs: [[2, 4, 3, 2], [4], [4]],
    opset: 21,
    build: op('GroupNormalization', { num_groups: 2n }),
  },
  {
    name: 'Resize, nearest, twice as large',
    inputs: [[1, 2, 3, 2]],
    build: (g, [x]) =>
      g.add('Resize', [x!, '', ...floats([4], Float32Array.of(1, 1, 2, 2))(g)], {
        attributes: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
      }),
  },
  {
    name: 'Where',
    inputs: [[2, 3], [3]],
    build: (g, [a, b]) => g.add('Where', [g.add('Greater', [a!, b!]), a!, b!]),
  },
  {
    name: 'Attention of opset 23',
    inputs: [
      [1, 2, 3, 4],
      [1, 2, 5, 4],
      [1, 2, 5, 4],
    ],
    opset: 23,
    build: op('Attention'),
  },
  {
    name: 'fused attention',
    inputs: [
      [2, 4, 6],
      [2, 3, 6],
      [2, 3, 8],
    ],
    build: (g, x) => {
      g.setOpset(1, 'com.microsoft');
      return g.add('MultiHeadAttention', x, { domain: 'com.microsoft', attributes: { num_heads: 2n } });
    },
  },
];
