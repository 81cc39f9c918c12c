import { canonicalise } from '../../src/autodiff/canonicalise.ts';
import { Emitter } from '../../src/autodiff/emitter.ts';
import { gradients } from '../../src/autodiff/gradients.ts';
import { gradientPath } from '../../src/autodiff/path.ts';
import { operatorOf } from '../../src/autodiff/registry.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeGraph } from '../../src/onnx/io.ts';
import { liftOpset } from '../../src/onnx/lift-opset.ts';
import { simplify } from '../../src/onnx/simplify.ts';
import { DataType, floatTensor, valueInfo } from '../../src/onnx/types.ts';

/** A graph with its gradients, ready for a session. */
export interface LossGraph {
  readonly graph: Graph;
  readonly bytes: Uint8Array;
  /** Names of the outputs: the loss, what it weighs, and the gradient of each parameter. */
  readonly loss: string;
  readonly y: string;
  readonly found: ReadonlyMap<string, string>;
  /** Operators that were differentiated. */
  readonly operators: readonly string[];
}

/** Prepares a graph as a step graph is and appends loss = sum(weights * y) and its gradients, in place. */
export function lossGraph(
  graph: Graph,
  y: string,
  parameters: readonly string[],
  weights: (shape: readonly number[]) => Float32Array,
): LossGraph {
  graph.setOutputs([valueInfo(y, DataType.FLOAT, [])]);
  simplify(graph);
  liftOpset(graph);
  canonicalise(graph);
  const emit = new Emitter(graph);
  const shape = emit.shape(y);
  const constant = graph.setInitializer(floatTensor(graph.uniqueName('weights'), shape, weights(shape)));
  const axes = shape.map((_, i) => i);
  const weighted = emit.mul(y, constant);
  const loss = axes.length > 0 ? emit.reduce('ReduceSum', weighted, axes, false) : weighted;
  const { nodes } = gradientPath(graph, [loss], parameters);
  const operators = [...new Set(nodes.map(operatorOf))];
  const found = gradients(graph, loss, parameters);
  const output = (name: string) => valueInfo(name, DataType.FLOAT, emit.shape(name));
  graph.setOutputs([...new Set([loss, y, ...found.values()])].map(output));
  return { graph, bytes: encodeGraph(graph), loss, y, found, operators };
}
