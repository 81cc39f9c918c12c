import { describe, expect, it } from 'vitest';
import { canonicalise } from '../../src/autodiff/canonicalise.ts';
import { Emitter } from '../../src/autodiff/emitter.ts';
import { gradients } from '../../src/autodiff/gradients.ts';
import { ParaError } from '../../src/common/errors.ts';
import { Random } from '../../src/common/random.ts';
import type { AttributeValue } from '../../src/onnx/attributes.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import { simplify } from '../../src/onnx/simplify.ts';
import { DataType, floatTensor, int64Tensor, valueInfo } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32, type Tensor, toFloats } from '../../src/runtime/tensor.ts';

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const draw = (seed: number, shape: readonly number[], low = -1, high = 1) => {
  const random = new Random(seed, 'rules');
  return Float32Array.from({ length: count(shape) }, () => low + (high - low) * random.uniform());
};

interface Case {
  readonly name: string;
  /** Shapes of the graph inputs; all are differentiated. */
  readonly inputs: readonly (readonly number[])[];
  readonly range?: readonly [number, number];
  readonly opset?: number;
  build(graph: Graph, inputs: readonly string[]): string;
}

const op =
  (
    type: string,
    attributes: Record<string, AttributeValue> = {},
    more: { inputs?: (graph: Graph) => string[]; outputs?: number; take?: number } = {},
  ) =>
  (graph: Graph, inputs: readonly string[]) => {
    const extra = more.inputs?.(graph) ?? [];
    const node = graph.makeNode(type, [...inputs, ...extra], { attributes, outputs: more.outputs ?? 1 });
    graph.push(node);
    return node.output[more.take ?? 0]!;
  };
const ints = (values: readonly number[]) => (graph: Graph) => [
  graph.setInitializer(int64Tensor(graph.uniqueName('ints'), [values.length], values)),
];
const each =
  (...lists: ((graph: Graph) => string[])[]) =>
  (graph: Graph) =>
    lists.flatMap((list) => list(graph));
const floats = (shape: readonly number[], data: Float32Array) => (graph: Graph) => [
  graph.setInitializer(floatTensor(graph.uniqueName('floats'), shape, data)),
];

const cases: Case[] = [
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
];

/** Loss = sum(weights * output); gives the loss graph with gradients of all inputs. */
function lossGraph(test: Case) {
  const graph = newGraph('rule', test.opset ?? 18);
  const names = test.inputs.map((shape, i) => graph.addInput(`x${i}`, DataType.FLOAT, shape));
  const y = test.build(graph, names);
  graph.setOutputs([valueInfo(y, DataType.FLOAT, [])]);
  simplify(graph);
  canonicalise(graph);
  const emit = new Emitter(graph);
  const shape = emit.shape(y);
  const weights = graph.setInitializer(floatTensor(graph.uniqueName('weights'), shape, draw(99, shape)));
  const axes = shape.map((_, i) => i);
  const weighted = emit.mul(y, weights);
  const loss = axes.length > 0 ? emit.reduce('ReduceSum', weighted, axes, false) : weighted;
  const found = gradients(graph, loss, names);
  graph.setOutputs([
    valueInfo(loss, DataType.FLOAT, []),
    ...names.map((name, i) => valueInfo(found.get(name)!, DataType.FLOAT, test.inputs[i]!)),
  ]);
  return { bytes: encodeGraph(graph), loss, names, found };
}

describe('the gradient rule of', () => {
  for (const test of cases)
    it(`${test.name} agrees with central differences in three directions`, async () => {
      const { bytes, loss, names, found } = lossGraph(test);
      const session = await createSession(bytes, { optimization: 'disabled', threads: 1 });
      const values = test.inputs.map((shape, i) => draw(i + 1, shape, ...(test.range ?? [-1, 1])));
      const at = async (shift: number, directions: readonly Float32Array[]) => {
        const feeds: Record<string, Tensor> = {};
        for (const [i, name] of names.entries())
          feeds[name] = f32(
            test.inputs[i]!,
            values[i]!.map((v, k) => v + shift * directions[i]![k]!),
          );
        return session.run(feeds);
      };
      for (let trial = 0; trial < 3; trial++) {
        const directions = test.inputs.map((shape, i) => draw(1000 + 10 * trial + i, shape));
        const here = await at(0, directions);
        let slope = 0;
        let scale = 0;
        for (const [i, name] of names.entries()) {
          const gradient = toFloats(here[found.get(name)!]!);
          expect(gradient.length, `size of the gradient of ${name}`).toBe(values[i]!.length);
          for (const [k, g] of gradient.entries()) {
            slope += g * directions[i]![k]!;
            scale += Math.abs(g * directions[i]![k]!);
          }
        }
        const h = 4e-3;
        const lossAt = async (shift: number) => toFloats((await at(shift, directions))[loss]!)[0]!;
        // Fourth order, so that a wide step keeps rounding small.
        const difference =
          (8 * ((await lossAt(h)) - (await lossAt(-h))) - ((await lossAt(2 * h)) - (await lossAt(-2 * h)))) /
          (12 * h);
        expect(Math.abs(slope - difference)).toBeLessThan(1e-3 * Math.max(scale, 0.1));
      }
      await session.release();
    });
});

describe('gradients', () => {
  it('name an operator without a rule, its node and the way there, before anything is added', () => {
    const graph = newGraph('none');
    graph.addInput('x', DataType.FLOAT, [2]);
    graph.push(graph.makeNode('Exp', ['x'], { outputs: ['e'] }));
    graph.push(graph.makeNode('Floor', ['e'], { outputs: ['y'], hint: 'rounding' }));
    graph.setOutputs([valueInfo('y', DataType.FLOAT, [2])]);
    const before = graph.nodes.length;
    expect(() => gradients(graph, 'y', ['x'])).toThrow(ParaError);
    try {
      gradients(graph, 'y', ['x']);
    } catch (cause) {
      expect((cause as ParaError).message).toContain('Floor');
      expect((cause as ParaError).where).toMatch(/rounding.*Exp.*Floor/);
    }
    expect(graph.nodes.length).toBe(before);
  });

  it('are zero for a parameter that the loss does not depend on', async () => {
    const graph = newGraph('zero');
    graph.addInput('x', DataType.FLOAT, []);
    graph.addInput('unused', DataType.FLOAT, [3]);
    graph.push(graph.makeNode('Exp', ['x'], { outputs: ['y'] }));
    graph.types.set('y', { type: DataType.FLOAT, shape: [] });
    const found = gradients(graph, 'y', ['x', 'unused']);
    graph.setOutputs([valueInfo(found.get('unused')!, DataType.FLOAT, [3])]);
    const session = await createSession(encodeGraph(graph));
    const out = await session.run({ x: f32([], [1]), unused: f32([3], [1, 2, 3]) });
    expect([...toFloats(out[found.get('unused')!]!)]).toEqual([0, 0, 0]);
    await session.release();
  });
});
