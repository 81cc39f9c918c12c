import type { Graph } from './graph.ts';

/**
 * Puts nodes and initializers of `part` into `graph`, before its own nodes or behind them; `part` is used up.
 * @param same names that values of `part` get in `graph` (its inputs, and outputs that are read there); all others get new ones
 */
export function insertGraph(
  graph: Graph,
  part: Graph,
  place: 'before' | 'behind',
  same: ReadonlyMap<string, string>,
): void {
  const names = new Map(same);
  const renamed = (name: string): string => {
    if (!name) return name;
    let found = names.get(name);
    if (found === undefined) {
      found = graph.uniqueName(name);
      names.set(name, found);
    }
    return found;
  };
  for (const tensor of part.initializers.values()) {
    tensor.name = renamed(tensor.name);
    graph.setInitializer(tensor);
  }
  for (const node of part.nodes) {
    node.name = graph.uniqueName(node.name);
    node.input = node.input.map(renamed);
    node.output = node.output.map(renamed);
  }
  graph.replaceNodes(place === 'before' ? [...part.nodes, ...graph.nodes] : [...graph.nodes, ...part.nodes]);
}
