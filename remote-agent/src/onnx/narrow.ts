import { intAttribute } from './attributes.ts';
import type { Graph } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { int64Tensor } from './types.ts';

/**
 * Rewrites Concat and Split nodes that read and write more than `most` values together, for devices whose kernels bind
 * only so many: to a tree of Concats, to Slices. Shapes of what is split must be known in `graph.types`; others stay.
 * @returns how many were rewritten
 */
export function narrow(graph: Graph, most: number): number {
  let count = 0;
  const nodes = graph.nodes.flatMap((node) => {
    if (node.domain !== '' || node.input.length + node.output.length <= most) return [node];
    const written =
      node.opType === 'Concat'
        ? tree(graph, node, most)
        : node.opType === 'Split'
          ? slices(graph, node)
          : undefined;
    if (written) count++;
    return written ?? [node];
  });
  if (count > 0) graph.replaceNodes(nodes);
  return count;
}

/** One Concat as several, each of at most `most` values with its output. */
function tree(graph: Graph, node: NodeProto, most: number): NodeProto[] {
  const axis = BigInt(intAttribute(node, 'axis', 0));
  const nodes: NodeProto[] = [];
  const known = (name: string) => graph.types.get(name);
  let level = [...node.input];
  const width = most - 1;
  while (level.length > width) {
    const next: string[] = [];
    for (let at = 0; at < level.length; at += width) {
      const some = level.slice(at, at + width);
      if (some.length === 1) {
        next.push(some[0]!);
        continue;
      }
      const made = graph.makeNode('Concat', some, { hint: `${node.output[0]}.part`, attributes: { axis } });
      nodes.push(made);
      next.push(made.output[0]!);
      const first = known(some[0]!);
      const along = some.map((name) => known(name)?.shape.at(Number(axis)));
      if (!first || along.includes(undefined)) continue;
      const length = (along as number[]).reduce((sum, size) => sum + size, 0);
      const shape = first.shape.with(Number(axis), length);
      graph.types.set(made.output[0]!, { type: first.type, shape });
    }
    level = next;
  }
  nodes.push(graph.makeNode('Concat', level, { outputs: [node.output[0]!], attributes: { axis } }));
  return nodes;
}

/** One Split as a Slice an output. */
function slices(graph: Graph, node: NodeProto): NodeProto[] | undefined {
  const axis = intAttribute(node, 'axis', 0);
  const sizes = node.output.map((name) => graph.types.get(name)?.shape.at(axis));
  if (sizes.includes(undefined)) return undefined;
  const ints = (value: number) =>
    graph.setInitializer(int64Tensor(graph.uniqueName('split.bound'), [1], [value]));
  let start = 0;
  return node.output.map((output, i) => {
    const end = start + sizes[i]!;
    const made = graph.makeNode('Slice', [node.input[0]!, ints(start), ints(end), ints(axis)], {
      hint: output,
      outputs: [output],
    });
    start = end;
    return made;
  });
}
