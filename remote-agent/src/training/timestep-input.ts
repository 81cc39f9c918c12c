import type { Graph } from '../onnx/graph.ts';
import { DataType } from '../onnx/types.ts';

/**
 * Lets a U-Net take one timestep per example. Exporters trace it with a single timestep (shape [] or [1]) that the
 * graph expands over the batch; a scalar is first made a vector by an Unsqueeze or Reshape, which is bypassed here so
 * that the vector f32/i64[batch] reaches the expansion as it is. The declared type stays. Does nothing where the file
 * already takes a vector.
 */
export function perExampleTimesteps(graph: Graph, name: string, batch: number): void {
  const declared = graph.inputs.find((input) => input.name === name);
  const tensor = declared?.type?.value.case === 'tensorType' ? declared.type.value.value : undefined;
  const rank = tensor?.shape?.dim.length ?? 0;
  if (rank > 0) return;
  const bypassed = new Map<string, string>();
  const aliases = new Set([name]);
  for (const node of graph.nodes) {
    const from = node.input[0];
    if (!from || !aliases.has(from)) continue;
    if (node.opType === 'Identity' || node.opType === 'Cast') {
      // Rank is kept: what follows sees the same scalar.
      aliases.add(node.output[0]!);
    } else if (node.opType === 'Unsqueeze' || node.opType === 'Reshape') {
      bypassed.set(node.output[0]!, from);
    }
  }
  if (bypassed.size > 0) {
    for (const node of graph.nodes)
      for (let i = 0; i < node.input.length; i++) {
        const to = bypassed.get(node.input[i]!);
        if (to !== undefined) node.input[i] = to;
      }
    graph.replaceNodes(graph.nodes.filter((node) => !bypassed.has(node.output[0]!)));
  }
  graph.types.set(name, { type: tensor?.elemType ?? DataType.FLOAT, shape: [batch] });
}
