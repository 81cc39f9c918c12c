import { chooseLayers } from '../adapters/layers.ts';
import { canonicalise } from '../autodiff/canonicalise.ts';
import { findObstacles, gradientPath, type Obstacle } from '../autodiff/path.ts';
import type { Graph } from '../onnx/graph.ts';
import { loadGraph } from '../onnx/io.ts';
import { liftOpset } from '../onnx/lift-opset.ts';
import { findLayers } from '../onnx/modules.ts';
import { fixDimensions, simplify } from '../onnx/simplify.ts';
import { countOf, dimsOf, elementSize } from '../onnx/tensor-data.ts';
import type { DataType } from '../onnx/types.ts';
import type { Base } from './base.ts';
import { type DenoiserShape, unetShapes } from './denoiser.ts';

/** Bytes, estimated from the U-Net's graph at the base's own size; the runtime's own overhead comes on top. */
export interface MemoryEstimate {
  readonly unetWeights: number;
  /** One picture with guidance: U-Net weights and the largest set of values alive at once. */
  readonly generation: number;
  /** One example, every activation kept for the backward pass (`memory: "fast"`). */
  readonly training: number;
  /** One example with recomputed activations (`memory: "lean"`). */
  readonly leanTraining: number;
}

export interface UnetFacts {
  readonly memory: MemoryEstimate;
  /** Operators behind an attention layer that have no gradient. */
  readonly obstacles: readonly Obstacle[];
}

/** @throws ParaError `graph` naming what is not understood or cannot be brought to the form that training needs */
export function unetFacts(base: Base): UnetFacts {
  const once = preparedUnet(base, baseSizes(base, 1));
  const { weights, kept, peak } = needsOf(once);
  return {
    memory: {
      unetWeights: weights,
      generation: forwardBytes(base, baseSizes(base, 2)),
      training: weights + kept + 2 * peak,
      // A block's activations at a time, and the values between blocks.
      leanTraining: weights + Math.min(kept, kept / 8 + 4 * peak),
    },
    obstacles: obstaclesToTraining(once),
  };
}

/** The base's own size, with its export's batch size where that is fixed. */
function baseSizes(base: Base, batch: number): DenoiserShape {
  const { dims } = base.unet.ports.sample;
  return {
    batch: dims[0] ?? batch,
    latentHeight: dims[2] ?? base.height / base.vaeFactor,
    latentWidth: dims[3] ?? base.width / base.vaeFactor,
    tokens: base.unet.ports.hidden.dims[1] ?? base.textEncoders[0]!.tokens,
  };
}

/** Bytes of a training session with every activation kept, estimated as `MemoryEstimate` is. */
export function trainingBytes(base: Base, sizes: DenoiserShape): number {
  const { weights, kept, peak } = needsOf(preparedUnet(base, sizes));
  return weights + kept + 2 * peak;
}

/** Bytes of a forward session of the U-Net. */
export function forwardBytes(base: Base, sizes: DenoiserShape): number {
  const { weights, peak } = needsOf(preparedUnet(base, sizes));
  return weights + peak;
}

/**
 * Bytes of all that draws a picture: U-Net, VAE decoder, text encoders.
 * @param sizes default: the base's own size, with guidance
 */
export function samplerBytes(base: Base, sizes = baseSizes(base, 2)): number {
  // Held as f32, whatever they are stored as.
  const text = base.textEncoders.reduce((sum, { path }) => sum + 4 * weightCount(loadGraph(path)), 0);
  return forwardBytes(base, sizes) + decoderBytes(base, sizes) + text;
}

function decoderBytes(
  { latentChannels, vaeDecoder }: Base,
  { latentHeight, latentWidth }: DenoiserShape,
): number {
  const graph = loadGraph(vaeDecoder.path);
  try {
    fixDimensions(graph, { [vaeDecoder.input.name]: [1, latentChannels, latentHeight, latentWidth] });
    simplify(graph);
    const { weights, peak } = needsOf(graph);
    return weights + peak;
  } catch {
    // An operator whose sizes are not known here does not keep the runtime from it: count the weights alone.
    return 4 * weightCount(loadGraph(vaeDecoder.path));
  }
}

function weightCount(graph: Graph): number {
  let count = 0;
  for (const tensor of graph.initializers.values()) count += countOf(dimsOf(tensor));
  return count;
}

function needsOf(graph: Graph): { weights: number; kept: number; peak: number } {
  return { weights: weightBytes(graph), kept: activationBytes(graph), peak: peakBytes(graph) };
}

function preparedUnet(base: Base, sizes: DenoiserShape): Graph {
  const graph = loadGraph(base.unet.path);
  fixDimensions(graph, unetShapes(base, sizes));
  simplify(graph);
  liftOpset(graph);
  return graph;
}

/** Weights as the graph computes with them: stored halves behind a Cast are unfolded when a session is made. */
function weightBytes(graph: Graph): number {
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

/** Operators whose output is a view of their input. */
const views = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity', 'Flatten']);

function sizeOfValue(graph: Graph, name: string): number {
  const known = graph.types.get(name);
  if (!known) return 0;
  return known.shape.reduce<number>((a, d) => a * (d ?? 1), 1) * (elementSize[known.type] ?? 4);
}

function activationBytes(graph: Graph): number {
  const weights = derivedFromWeights(graph);
  let bytes = 0;
  for (const node of graph.nodes)
    if (!views.has(node.opType))
      for (const name of node.output) if (name && !weights.has(name)) bytes += sizeOfValue(graph, name);
  return bytes;
}

/** Values computed from weights alone (unfolded halves, transposes): part of the weights, not of the activations. */
function derivedFromWeights(graph: Graph): Set<string> {
  const derived = new Set(graph.initializers.keys());
  for (const node of graph.nodes)
    if (node.input.length > 0 && node.input.every((name) => !name || derived.has(name)))
      for (const name of node.output) derived.add(name);
  return derived;
}

/** Largest total of values alive at once when the nodes run in order. */
function peakBytes(graph: Graph): number {
  const weights = derivedFromWeights(graph);
  const lastUse = new Map<string, number>();
  for (const [i, node] of graph.nodes.entries()) for (const name of node.input) lastUse.set(name, i);
  const ending = new Map<number, string[]>();
  for (const [name, i] of lastUse) ending.set(i, [...(ending.get(i) ?? []), name]);
  let alive = 0;
  let peak = 0;
  for (const [i, node] of graph.nodes.entries()) {
    for (const name of node.output) if (name && !weights.has(name)) alive += sizeOfValue(graph, name);
    peak = Math.max(peak, alive);
    for (const name of ending.get(i) ?? []) if (!weights.has(name)) alive -= sizeOfValue(graph, name);
  }
  return peak;
}

/** What stands between the attention layers' outputs and the U-Net's: the way that a gradient takes backwards. */
function obstaclesToTraining(graph: Graph): Obstacle[] {
  const { layers } = findLayers(graph);
  if (layers.length === 0) return [];
  let chosen = layers;
  try {
    chosen = chooseLayers(layers, 'attention');
  } catch {
    // A base without attention of that name: any layer may be adapted.
  }
  canonicalise(graph);
  const adapted = new Set(chosen.map((layer) => layer.node));
  const sources = graph.nodes.filter((node) => adapted.has(node.name)).flatMap((node) => node.output);
  const targets = graph.outputs.map((output) => output.name);
  return findObstacles(graph, gradientPath(graph, targets, sources));
}
