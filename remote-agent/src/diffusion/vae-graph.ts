import { ParaError } from '../common/errors.ts';
import { fuseAttention } from '../onnx/fuse-attention.ts';
import type { Graph } from '../onnx/graph.ts';
import { encodeGraph, loadGraph } from '../onnx/io.ts';
import { prune } from '../onnx/prune.ts';
import { fixDimensions, simplify } from '../onnx/simplify.ts';
import type { BaseVae } from './base.ts';
import { type BasePart, partModel } from './base-part.ts';

const sampling = new Set(['RandomNormalLike', 'RandomNormal', 'RandomUniformLike', 'RandomUniform']);

/**
 * Some exports draw the latent inside the encoder (`mean + deviation * RandomNormalLike`). The drawn noise becomes
 * zeros here, in place, so that the mean remains and a picture's latent is the same every time.
 * @returns whether the graph had such a node
 */
export function removeSampling(graph: Graph): boolean {
  let found = false;
  const nodes = graph.nodes.flatMap((node) => {
    if (!sampling.has(node.opType) || node.domain !== '') return [node];
    found = true;
    const like = node.input[0];
    if (like === undefined) return [node];
    // Zero of the same type and shape, whatever those are.
    const zero = graph.makeNode('Sub', [like, like], { outputs: [node.output[0]!], hint: 'para.no_noise' });
    return [zero];
  });
  graph.replaceNodes(nodes);
  return found;
}

/** The VAE encoder's file, or its bytes without the sampling where it had any. */
export function encoderModel(part: BasePart): string | Uint8Array {
  const graph = loadGraph(part);
  if (!removeSampling(graph)) return partModel(part);
  prune(graph);
  return encodeGraph(graph);
}

/**
 * Positions of a latent from which on its attention is fused: written out, it holds their square, 64 MB and more.
 */
export const fusedFrom = 4096;

/**
 * A direction of the VAE for an input of one shape, with its attention fused.
 * @returns undefined where it has none of that form, or operators that are not understood: it runs as it is then
 */
export function fusedVae(part: BaseVae, input: readonly number[]): Graph | undefined {
  const graph = loadGraph(part);
  removeSampling(graph);
  try {
    fixDimensions(graph, { [part.input.name]: [...input] });
    simplify(graph);
    return fuseAttention(graph) > 0 ? graph : undefined;
  } catch (cause) {
    if (cause instanceof ParaError) return undefined;
    throw cause;
  }
}
