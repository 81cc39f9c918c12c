import type { Graph } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { countOf, dimsOf, elementSize } from './tensor-data.ts';
import { DataType } from './types.ts';

/** Operators whose output is their first input under another shape. */
const views = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity', 'Flatten']);

/** Operators that the runtime lets write where an input of the same size lay that nobody reads any more. */
const inPlace = new Set([
  ...['Add', 'Sub', 'Mul', 'Div', 'Neg', 'Exp', 'Erf', 'Sqrt', 'Reciprocal', 'Sigmoid', 'Tanh', 'Relu'],
  ...['Abs', 'Sign', 'Softmax', 'Sum', 'Cast', 'Where', 'LayerNormalization'],
]);

/** Weights, and values that are made from weights alone (stored halves as f32): they stay for good. */
export function constantsOf(graph: Graph): Set<string> {
  const found = new Set(graph.initializers.keys());
  for (const node of graph.nodes)
    if (node.input.every((name) => !name || found.has(name))) for (const name of node.output) found.add(name);
  return found;
}

/** Bytes of the weights as the graph computes with them: stored halves behind a Cast are unfolded by the runtime. */
export function weightBytes(graph: Graph): number {
  const casts = new Map<string, number>();
  for (const node of graph.nodes)
    if (node.opType === 'Cast') {
      const to = graph.types.get(node.output[0]!)?.type;
      casts.set(node.input[0]!, elementSize[to as DataType] ?? 4);
    }
  let bytes = 0;
  for (const tensor of graph.initializers.values())
    bytes +=
      countOf(dimsOf(tensor)) * (casts.get(tensor.name) ?? elementSize[tensor.dataType as DataType] ?? 4);
  return bytes;
}

/** Whether most of the weights lie in the file in half precision. */
export function storesHalves(graph: Graph): boolean {
  let halves = 0;
  for (const tensor of graph.initializers.values()) {
    const half = tensor.dataType === DataType.FLOAT16 || tensor.dataType === DataType.BFLOAT16;
    if (half || tensor.dataType === DataType.FLOAT) halves += (half ? 1 : -1) * countOf(dimsOf(tensor));
  }
  return halves > 0;
}

/** Bytes of one value; 0 where nothing is known of it. */
export function valueBytes(graph: Graph, name: string): number {
  const known = graph.types.get(name);
  if (!known) return 0;
  return known.shape.reduce<number>((a, d) => a * (d ?? 1), 1) * (elementSize[known.type] ?? 4);
}

/** What the runtime takes to work in while an operator runs: a transposed convolution makes all its columns first. */
function scratchBytes(graph: Graph, node: NodeProto): number {
  if (node.opType !== 'ConvTranspose') return 0;
  const [, , ...pixels] = graph.types.get(node.input[0]!)?.shape ?? [];
  const [, ...kernel] = graph.types.get(node.input[1]!)?.shape ?? [];
  return [...pixels, ...kernel].reduce<number>((a, d) => a * (d ?? 1), 4);
}

/**
 * Largest total of values alive at once when the nodes run in order, weights not counted: what a session needs for
 * activations. Inputs belong to the caller, and are not counted either.
 */
export function activationPeak(graph: Graph): number {
  const constants = constantsOf(graph);
  const { nodes } = graph;
  // Which block of memory a value lies in, and where that is read last.
  const block = new Map<string, string>();
  const lastUse = new Map<string, number>();
  nodes.forEach((node, at) => {
    for (const name of node.input) if (name) lastUse.set(block.get(name) ?? name, at);
    for (const name of node.output) if (name) block.set(name, name);
    const [x] = node.input;
    if (views.has(node.opType) && x && block.has(x) && !constants.has(x))
      block.set(node.output[0]!, block.get(x)!);
  });
  for (const { name } of graph.outputs) lastUse.set(block.get(name) ?? name, nodes.length);
  const size = new Map<string, number>();
  let alive = 0;
  let peak = 0;
  nodes.forEach((node, at) => {
    if (node.output.every((name) => constants.has(name))) return;
    const dying = new Set<string>();
    for (const name of node.input) {
      const from = block.get(name);
      if (from !== undefined && size.has(from) && lastUse.get(from) === at) dying.add(from);
    }
    for (const name of node.output) {
      if (!name || block.get(name) !== name) continue;
      const bytes = valueBytes(graph, name);
      const reused = inPlace.has(node.opType)
        ? [...dying].find((from) => size.get(from) === bytes)
        : undefined;
      if (reused !== undefined) {
        dying.delete(reused);
        size.delete(reused);
      } else alive += bytes;
      size.set(name, bytes);
      if (!lastUse.has(name)) dying.add(name);
    }
    peak = Math.max(peak, alive + scratchBytes(graph, node));
    for (const name of dying) {
      alive -= size.get(name)!;
      size.delete(name);
    }
  });
  return peak;
}
