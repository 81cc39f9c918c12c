import { Random } from '../../src/common/random.ts';
import type { AttributeValue } from '../../src/onnx/attributes.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { newGraph } from '../../src/onnx/io.ts';
import { DataType, floatTensor, int64Tensor } from '../../src/onnx/types.ts';
import { type LossGraph, lossGraph } from './loss-graph.ts';

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
/** Uniform draws, the same for the same seed. */
export const draw = (seed: number, shape: readonly number[], low = -1, high = 1) => {
  const random = new Random(seed, 'rules');
  return Float32Array.from({ length: count(shape) }, () => low + (high - low) * random.uniform());
};

/** A small graph with one operator or pattern. */
export interface Case {
  readonly name: string;
  /** Shapes of the graph inputs; all are differentiated. */
  readonly inputs: readonly (readonly number[])[];
  readonly range?: readonly [number, number];
  readonly opset?: number;
  build(graph: Graph, inputs: readonly string[]): string;
}

export const op =
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
export const ints = (values: readonly number[]) => (graph: Graph) => [
  graph.setInitializer(int64Tensor(graph.uniqueName('ints'), [values.length], values)),
];
export const each =
  (...lists: ((graph: Graph) => string[])[]) =>
  (graph: Graph) =>
    lists.flatMap((list) => list(graph));
export const floats = (shape: readonly number[], data: Float32Array) => (graph: Graph) => [
  graph.setInitializer(floatTensor(graph.uniqueName('floats'), shape, data)),
];

/** The case's graph with loss and gradients of all inputs, which are named x0, x1, ... */
export function build(test: Case): LossGraph & { names: string[] } {
  const graph = newGraph('rule', test.opset ?? 18);
  const names = test.inputs.map((shape, i) => graph.addInput(`x${i}`, DataType.FLOAT, shape));
  const y = test.build(graph, names);
  return { ...lossGraph(graph, y, names, (shape) => draw(99, shape)), names };
}
