import type { Graph } from '../../src/onnx/graph.ts';
import { prune } from '../../src/onnx/prune.ts';

const blockPath = /^\/(.+)\/transformer_blocks\.(\d+)\//;

/**
 * Leaves at most `most` transformer blocks in each transformer of an exported U-Net, the first ones: what read the last
 * block reads the last one that is left. Blocks are told by the exporter's node names.
 * @returns how many blocks are left in all
 */
export function limitBlocks(graph: Graph, most: number): number {
  /** Value that leaves a block, by transformer and block: what the last of its nodes makes. */
  const ends = new Map<string, Map<number, string>>();
  const inside = new Map<string, string>();
  for (const node of graph.nodes) {
    const [, transformer, block] = blockPath.exec(node.name) ?? [];
    if (transformer === undefined) continue;
    const blocks = ends.get(transformer) ?? new Map<number, string>();
    blocks.set(Number(block), node.output[0]!);
    ends.set(transformer, blocks);
    inside.set(node.name, transformer);
  }
  let left = 0;
  const renamed = new Map<string, string>();
  for (const blocks of ends.values()) {
    const kept = Math.min(most, blocks.size);
    left += kept;
    if (kept < blocks.size) renamed.set(blocks.get(blocks.size - 1)!, blocks.get(kept - 1)!);
  }
  for (const node of graph.nodes)
    if (!inside.has(node.name)) node.input = node.input.map((name) => renamed.get(name) ?? name);
  prune(graph);
  return left;
}
