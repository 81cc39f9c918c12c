import type { Graph } from './graph.ts';
import { countOf, dimsOf, elementSize } from './tensor-data.ts';
import { DataType } from './types.ts';

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

/** How many numbers a value of this shape has; what is unknown counts as one. */
export const countIn = (shape: readonly (number | undefined)[]): number =>
  shape.reduce<number>((count, size) => count * (size ?? 1), 1);

/** Bytes of one value; 0 where nothing is known of it. */
export function valueBytes(graph: Graph, name: string): number {
  const known = graph.types.get(name);
  if (!known) return 0;
  return countIn(known.shape) * (elementSize[known.type] ?? 4);
}
