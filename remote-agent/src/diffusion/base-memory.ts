import { chooseLayers } from '../adapters/layers.ts';
import { canonicalise } from '../autodiff/canonicalise.ts';
import { findObstacles, gradientPath, type Obstacle } from '../autodiff/path.ts';
import type { Graph } from '../onnx/graph.ts';
import { loadGraph } from '../onnx/io.ts';
import { liftOpset } from '../onnx/lift-opset.ts';
import { findLayers } from '../onnx/modules.ts';
import { fixDimensions, simplify } from '../onnx/simplify.ts';
import { countOf, dimsOf } from '../onnx/tensor-data.ts';
import { weightBytes } from '../onnx/weights.ts';
import type { DeviceName } from '../runtime/device.ts';
import type { Base, BaseVae } from './base.ts';
import { type DenoiserShape, forwardGraph, unetShapes } from './denoiser.ts';
import { type Computing, onProcessor } from './precision.ts';
import { tilingFor } from './tiles.ts';
import { processBytes, sessionBytes, trainingBytes, weightCopies } from './training-memory.ts';
import { fusedFrom, fusedVae } from './vae-graph.ts';

/** Bytes of whole processes, estimated from the U-Net's graph at the base's own size. */
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
      generation: processBytes + forwardBytes(base, baseSizes(base, 2)),
      ...(obstacles.length > 0
        ? {}
        : {
            training: processBytes + trainingBytes(base, sizes, 'fast'),
            leanTraining: processBytes + trainingBytes(base, sizes, 'lean'),
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

/** Bytes of a session that draws with the U-Net. */
export const forwardBytes = (base: Base, sizes: DenoiserShape, computing = onProcessor): number =>
  sessionBytes(forwardGraph(base, sizes, { precision: computing.precision }), weightCopies(computing.device));

/** Bytes of several sessions: all at once, or one at a time. */
export interface Held {
  readonly together: number;
  readonly inTurns: number;
}

/**
 * Bytes of all that draws a picture: text encoders, U-Net, VAE decoder.
 * @param sizes default: the base's own size, with guidance
 */
export function samplerBytes(
  base: Base,
  sizes = baseSizes(base, 2),
  computing: Computing = onProcessor,
): Held {
  const { latentChannels, vaeDecoder } = base;
  const latent = [1, latentChannels, sizes.latentHeight, sizes.latentWidth];
  const { device } = computing;
  const parts = [
    textBytes(base, device),
    forwardBytes(base, sizes, computing),
    vaeBytes(vaeDecoder, latent, 1, device),
  ];
  return { together: parts.reduce((sum, part) => sum + part, 0), inTurns: Math.max(...parts) };
}

/**
 * Bytes of what encodes captions and pictures of this size before training: text encoders, then the VAE encoder.
 * @param sizes those of the pictures' latents
 */
export function encoderBytes(
  base: Base,
  { latentHeight, latentWidth }: Pick<DenoiserShape, 'latentHeight' | 'latentWidth'>,
  device: DeviceName = 'cpu',
): number {
  const { vaeFactor, vaeEncoder } = base;
  const pixels = [1, 3, latentHeight * vaeFactor, latentWidth * vaeFactor];
  return Math.max(textBytes(base, device), vaeBytes(vaeEncoder, pixels, vaeFactor, device));
}

/** Weights alone, held as f32 whatever they are stored as: activations of a prompt are small beside them. */
const textBytes = ({ textEncoders }: Base, device: DeviceName) =>
  textEncoders.reduce((sum, part) => sum + weightCopies(device) * 4 * weightCount(loadGraph(part)), 0);

/**
 * Bytes of a direction of the VAE, in f32, for an input of this shape, which runs in tiles where it is large.
 * @param per positions of the input per latent position, along each axis
 */
export function vaeBytes(
  vae: BaseVae,
  whole: readonly number[],
  per = 1,
  device: DeviceName = 'cpu',
): number {
  const copies = weightCopies(device);
  const [count = 1, channels = 0, height = 0, width = 0] = whole;
  const tiling = tilingFor(vae, height / per, width / per);
  const tile = tiling ? [tiling.rows.length * per, tiling.columns.length * per] : [height, width];
  const input = [count, channels, ...tile];
  const large = tile.reduce((a, b) => a * b, 1) / per ** 2 >= fusedFrom;
  const fused = large ? fusedVae(vae, input) : undefined;
  if (fused) return sessionBytes(fused, copies);
  const graph = loadGraph(vae);
  try {
    fixDimensions(graph, { [vae.input.name]: input });
    simplify(graph);
    return sessionBytes(graph, copies);
  } catch {
    // An operator whose sizes are not known here does not keep the runtime from it: count the weights alone.
    return copies * 4 * weightCount(loadGraph(vae));
  }
}

function weightCount(graph: Graph): number {
  let count = 0;
  for (const tensor of graph.initializers.values()) count += countOf(dimsOf(tensor));
  return count;
}

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
