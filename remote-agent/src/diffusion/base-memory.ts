import { chooseLayers } from '../adapters/layers.ts';
import { canonicalise } from '../autodiff/canonicalise.ts';
import { findObstacles, gradientPath, type Obstacle } from '../autodiff/path.ts';
import type { Graph } from '../onnx/graph.ts';
import { loadGraph } from '../onnx/io.ts';
import { liftOpset } from '../onnx/lift-opset.ts';
import { activationPeak, weightBytes } from '../onnx/liveness.ts';
import { findLayers } from '../onnx/modules.ts';
import { fixDimensions, simplify } from '../onnx/simplify.ts';
import { countOf, dimsOf } from '../onnx/tensor-data.ts';
import type { Base } from './base.ts';
import { type DenoiserShape, unetShapes } from './denoiser.ts';
import { trainingBytes } from './training-memory.ts';

/** Bytes, estimated from the U-Net's graph at the base's own size; the runtime's own overhead comes on top. */
export interface MemoryEstimate {
  readonly unetWeights: number;
  /** One picture with guidance: U-Net weights and the largest set of values alive at once. */
  readonly generation: number;
  /** LoRA on one example, `memory: "fast"`; absent where something stands in the way of training. */
  readonly training?: number;
  /** The same with `memory: "lean"`. */
  readonly leanTraining?: number;
}

export interface UnetFacts {
  readonly memory: MemoryEstimate;
  /** Operators behind an attention layer that have no gradient. */
  readonly obstacles: readonly Obstacle[];
}

/** @throws ParaError `graph` naming what is not understood or cannot be brought to the form that training needs */
export function unetFacts(base: Base): UnetFacts {
  const sizes = baseSizes(base, 1);
  const once = preparedUnet(base, sizes);
  const obstacles = obstaclesToTraining(once);
  return {
    memory: {
      unetWeights: weightBytes(once),
      generation: forwardBytes(base, baseSizes(base, 2)),
      ...(obstacles.length > 0
        ? {}
        : {
            training: trainingBytes(base, sizes, 'fast'),
            leanTraining: trainingBytes(base, sizes, 'lean'),
          }),
    },
    obstacles,
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

/**
 * Bytes of a forward session of the U-Net. Attention is counted as it is written, with its probabilities, though the
 * session fuses it: what the runtime's operators work in is counted nowhere, and was seen to be more than the rest.
 */
export function forwardBytes(base: Base, sizes: DenoiserShape): number {
  return sessionBytes(preparedUnet(base, sizes));
}

/**
 * Bytes of all that draws a picture: U-Net, VAE decoder, text encoders.
 * @param sizes default: the base's own size, with guidance
 */
export function samplerBytes(base: Base, sizes = baseSizes(base, 2)): number {
  // Held as f32, whatever they are stored as.
  const text = base.textEncoders.reduce((sum, part) => sum + 4 * weightCount(loadGraph(part)), 0);
  return forwardBytes(base, sizes) + decoderBytes(base, sizes) + text;
}

function decoderBytes(
  { latentChannels, vaeDecoder }: Base,
  { latentHeight, latentWidth }: DenoiserShape,
): number {
  const graph = loadGraph(vaeDecoder);
  try {
    fixDimensions(graph, { [vaeDecoder.input.name]: [1, latentChannels, latentHeight, latentWidth] });
    simplify(graph);
    return sessionBytes(graph);
  } catch {
    // An operator whose sizes are not known here does not keep the runtime from it: count the weights alone.
    return 4 * weightCount(loadGraph(vaeDecoder));
  }
}

function weightCount(graph: Graph): number {
  let count = 0;
  for (const tensor of graph.initializers.values()) count += countOf(dimsOf(tensor));
  return count;
}

const sessionBytes = (graph: Graph) => weightBytes(graph) + activationPeak(graph);

function preparedUnet(base: Base, sizes: DenoiserShape): Graph {
  const graph = loadGraph(base.unet);
  fixDimensions(graph, unetShapes(base, sizes));
  simplify(graph);
  liftOpset(graph);
  return graph;
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
