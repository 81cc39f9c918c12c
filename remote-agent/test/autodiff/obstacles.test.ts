import { describe, expect, it } from 'vitest';
import { gradients } from '../../src/autodiff/gradients.ts';
import { ParaError } from '../../src/common/errors.ts';
import { type AttributeValue, attribute } from '../../src/onnx/attributes.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import { DataType, floatTensor, int64Tensor, rawTensor } from '../../src/onnx/types.ts';

interface Form {
  readonly name: string;
  readonly op: string;
  /** What the error says of it. */
  readonly says: RegExp;
  readonly shape: readonly number[];
  readonly to: readonly number[];
  readonly attributes?: Record<string, AttributeValue>;
  readonly more?: (graph: Graph) => string[];
}

const ints =
  (...values: number[]) =>
  (graph: Graph) => [graph.setInitializer(int64Tensor(graph.uniqueName('ints'), [values.length], values))];
const input = (dims: readonly number[]) => (graph: Graph) => [
  graph.addInput(graph.uniqueName('given'), DataType.FLOAT, dims),
];
const openInts = (graph: Graph) => [graph.addInput(graph.uniqueName('open'), DataType.INT64, [1])];
const image = [1, 2, 4, 4];
const heads = { shape: [1, 2, 3, 4], to: [1, 2, 3, 4], more: () => ['e', 'e'] };

const forms: Form[] = [
  { name: 'an operator without a rule', op: 'Floor', says: /Operator Floor has no/, shape: [2], to: [2] },
  {
    name: 'a Slice with bounds that are computed',
    op: 'Slice',
    says: /Slice.*bounds/,
    ...{ shape: [4], to: [2], more: (g) => [...ints(0)(g), ...openInts(g)] },
  },
  {
    name: 'a Conv that pads by itself',
    op: 'Conv',
    says: /Conv.*padding/,
    attributes: { auto_pad: 'SAME_UPPER' },
    ...{ shape: image, to: [1, 3, 4, 4], more: input([3, 2, 3, 3]) },
  },
  {
    name: 'a Conv over one dimension',
    op: 'Conv',
    says: /Conv.*two-dimensional/,
    ...{ shape: [1, 2, 5], to: [1, 3, 3], more: input([3, 2, 3]) },
  },
  {
    name: 'a cubic Resize',
    op: 'Resize',
    says: /cubic/,
    shape: image,
    to: image,
    attributes: { mode: 'cubic' },
  },
  {
    name: 'a Resize of channels',
    op: 'Resize',
    says: /channels/,
    ...{ shape: image, to: [1, 4, 4, 4], more: (g) => ['', '', ...ints(1, 4, 4, 4)(g)] },
  },
  {
    name: 'a Pad that mirrors',
    op: 'Pad',
    says: /reflect/,
    attributes: { mode: 'reflect' },
    ...{ shape: [4], to: [6], more: ints(1, 1) },
  },
  { name: 'a MatMul with a vector', op: 'MatMul', says: /vector/, shape: [3, 4], to: [3], more: input([4]) },
  {
    name: 'a diagonal of Einsum',
    op: 'Einsum',
    says: /diagonal/,
    ...{ shape: [3, 3], to: [3], attributes: { equation: 'ii->i' } },
  },
  {
    name: 'an Einsum that sums one input alone',
    op: 'Einsum',
    says: /sums/,
    ...{ shape: [3, 3], to: [3], attributes: { equation: 'ij->i' } },
  },
  {
    name: 'a Dropout in training',
    op: 'Dropout',
    says: /random/,
    shape: [4],
    to: [4],
    more: (g) => ['', g.setInitializer(rawTensor('yes', DataType.BOOL, [], Uint8Array.of(1)))],
  },
  { name: 'a Clip whose bound is trained', op: 'Clip', says: /bounds/, shape: [], to: [], more: () => ['e'] },
  {
    name: 'a GatherND of batches',
    op: 'GatherND',
    says: /batch/,
    attributes: { batch_dims: 1n },
    shape: [1, 3],
    to: [1],
    more: (g) => [g.setInitializer(int64Tensor('at', [1, 1], [2]))],
  },
  {
    name: 'a ReduceSum over axes that are computed',
    op: 'ReduceSum',
    says: /axes/,
    shape: [2],
    to: [1],
    more: openInts,
  },
  { name: 'a causal Attention', op: 'Attention', says: /causal/, ...heads, attributes: { is_causal: 1n } },
  {
    name: 'an Attention with capped scores',
    op: 'Attention',
    says: /caps/,
    ...heads,
    attributes: { softcap: 2 },
  },
  {
    name: 'an Attention over three axes',
    op: 'Attention',
    says: /heads/,
    ...{ shape: [1, 3, 8], to: [1, 3, 8], more: () => ['e', 'e'] },
  },
  {
    name: "another runtime's Attention",
    op: 'com.microsoft.Attention',
    says: /com\.microsoft\.Attention/,
    ...{ shape: [1, 3, 8], to: [1, 3, 8] },
  },
];

/** x -> Exp -> the operator -> Exp (y). */
function graphWith(...list: Form[]): Graph {
  const graph = newGraph('form', 23);
  let at = 'x';
  for (const form of list) {
    const type = DataType.FLOAT;
    if (at === 'x') {
      graph.addInput('x', type, form.shape);
      graph.push(graph.makeNode('Exp', ['x'], { outputs: ['e'], hint: 'before' }));
      graph.types.set('e', { type, shape: form.shape });
      at = 'e';
    }
    const dot = form.op.lastIndexOf('.');
    const node = graph.makeNode(form.op.slice(dot + 1), [at, ...(form.more?.(graph) ?? [])], {
      hint: 'hard',
      domain: form.op.slice(0, Math.max(dot, 0)),
    });
    for (const [name, value] of Object.entries(form.attributes ?? {}))
      node.attribute.push(attribute(name, value));
    graph.push(node);
    at = node.output[0]!;
    graph.types.set(at, { type, shape: form.to });
  }
  graph.push(graph.makeNode('Exp', [at], { outputs: ['y'], hint: 'after' }));
  graph.types.set('y', { type: DataType.FLOAT, shape: list.at(-1)!.to });
  return graph;
}

function refusal(graph: Graph): ParaError {
  const before = encodeGraph(graph);
  try {
    gradients(graph, 'y', ['x']);
  } catch (cause) {
    expect(cause).toBeInstanceOf(ParaError);
    expect(encodeGraph(graph), 'nothing was added').toEqual(before);
    return cause as ParaError;
  }
  throw new Error('gradients were made');
}

describe('gradients refuse, with the way there and before anything is added,', () => {
  it.each(forms)('$name', (form) => {
    const error = refusal(graphWith(form));
    expect(error.code).toBe('no-gradient');
    expect(error.message).toMatch(form.says);
    expect(error.where).toMatch(
      /^node hard\/\w+, reached through Exp \(before\/Exp\) -> [\w.]+ \(hard\/\w+\)$/,
    );
    expect(error.hint).toBeTruthy();
  });
});

describe('the report of what has no gradient', () => {
  const fused = (op: string): Form => ({
    name: op,
    op: `com.microsoft.${op}`,
    says: /./,
    ...{ shape: [2], to: [2] },
  });

  it('lists every kind with its number of nodes and says that fusion is the cause', () => {
    const floor = forms[0]!;
    const error = refusal(
      graphWith(
        fused('BiasGelu'),
        floor,
        fused('SkipGroupNorm'),
        fused('BiasGelu'),
        fused('BiasGelu'),
        floor,
      ),
    );
    expect(error.message).toBe(
      '3 kinds of operators have no gradient: com.microsoft.BiasGelu x 3, Floor x 2, com.microsoft.SkipGroupNorm x 1',
    );
    expect(error.hint).toMatch(/without fusion/);
  });

  it('leaves out what no gradient has to pass', () => {
    const graph = newGraph('aside', 21);
    graph.addInput('x', DataType.FLOAT, [2]);
    graph.addInput('frozen', DataType.FLOAT, [2]);
    graph.setInitializer(floatTensor('table', [3], [1, 2, 3]));
    const type = DataType.FLOAT;
    // A frozen value, a position cut out of a trained one, and an end that the loss does not read.
    const nodes = [
      ['Floor', ['frozen'], 'f', type],
      ['Cast', ['x'], 'position', DataType.INT64],
      ['Gather', ['table', 'position'], 'picked', type],
      ['Ceil', ['x'], 'unread', type],
      ['Mul', ['x', 'f'], 'product', type],
      ['Add', ['product', 'picked'], 'y', type],
    ] as const;
    for (const [op, inputs, out, kind] of nodes) {
      const node = graph.makeNode(op, inputs, { outputs: [out] });
      if (op === 'Cast') node.attribute.push(attribute('to', BigInt(DataType.INT64)));
      graph.push(node);
      graph.types.set(out, { type: kind, shape: [2] });
    }
    expect([...gradients(graph, 'y', ['x']).keys()]).toEqual(['x']);
  });
});
