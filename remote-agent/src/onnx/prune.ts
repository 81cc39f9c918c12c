import { ParaError } from '../common/errors.ts';
import type { Graph } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';

/** Removes nodes and initializers that no graph output depends on; graph inputs stay. */
export function prune(graph: Graph): void {
  const needed = new Set(graph.outputs.map((o) => o.name));
  const kept: NodeProto[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    if (!node.output.some((name) => needed.has(name))) continue;
    for (const name of node.input) needed.add(name);
    kept.push(node);
  }
  graph.replaceNodes(kept.reverse());
  const unused = [...graph.initializers.keys()].filter((name) => !needed.has(name));
  graph.removeInitializers(new Set(unused));
}

/**
 * Brings the nodes into an order in which every value is made before it is read; keeps the given order otherwise.
 * @throws ParaError `graph` for a cycle or a value that nothing makes
 */
export function sortTopologically(graph: Graph): void {
  const ready = new Set<string>(['', ...graph.initializers.keys(), ...graph.inputs.map((i) => i.name)]);
  const waiting = new Map<string, NodeProto[]>();
  const missing = new Map<NodeProto, number>();
  const order: NodeProto[] = [];
  const place = (node: NodeProto) => {
    const stack = [node];
    while (stack.length > 0) {
      const next = stack.pop()!;
      order.push(next);
      for (const name of next.output) {
        ready.add(name);
        for (const reader of waiting.get(name) ?? []) {
          const left = missing.get(reader)! - 1;
          missing.set(reader, left);
          if (left === 0) stack.push(reader);
        }
        waiting.delete(name);
      }
    }
  };
  for (const node of graph.nodes) {
    const open = [...new Set(node.input)].filter((name) => !ready.has(name));
    missing.set(node, open.length);
    if (open.length === 0) place(node);
    else
      for (const name of open) {
        const readers = waiting.get(name);
        if (readers) readers.push(node);
        else waiting.set(name, [node]);
      }
  }
  if (order.length !== graph.nodes.length)
    throw new ParaError('graph', 'The graph reads a value that nothing makes, or runs in a circle', {
      where: [...waiting.keys()].slice(0, 3).join(', '),
      hint: 'the model file is damaged; export it again',
    });
  graph.replaceNodes(order);
}
