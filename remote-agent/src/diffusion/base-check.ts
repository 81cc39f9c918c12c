import { statSync } from 'node:fs';
import { chooseLayers, layerPresets } from '../adapters/layers.ts';
import { obstacleError } from '../autodiff/path.ts';
import { ParaError } from '../common/errors.ts';
import { loadGraph } from '../onnx/io.ts';
import { findLayers } from '../onnx/modules.ts';
import { TensorProto_DataLocation } from '../onnx/proto/onnx_pb.ts';
import { countOf, dimsOf, externalLocation } from '../onnx/tensor-data.ts';
import { DataType } from '../onnx/types.ts';
import type { SessionOptions } from '../runtime/session.ts';
import { type Base, openBase } from './base.ts';
import { type MemoryEstimate, unetFacts } from './base-memory.ts';
import { type BasePart, partSession } from './base-part.ts';
import { type GraphPort, inputPorts, outputPorts } from './base-ports.ts';
import { type OnRead, type WeightHashes, weightHashes } from './checkpoint/weight-hashes.ts';
import { ClipTokenizer } from './tokenizer.ts';
import { removeSampling } from './vae-graph.ts';

/** One model file of a base, as found. */
export interface PartReport {
  readonly name: string;
  readonly path: string;
  /** Bytes of the graph and its weights, wherever they lie. */
  readonly bytes: number;
  readonly parameters: number;
  /** Element types in which the weights are stored, the most common first, e.g. `float16`. */
  readonly precision: readonly string[];
  readonly opset: number;
  readonly exporter: string;
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
  /** Things that were put right on the way, in words. */
  readonly notes: readonly string[];
}

export interface BaseProblem {
  readonly part: string;
  readonly what: string;
  readonly hint?: string;
  /** What does not work because of it. */
  readonly prevents: 'everything' | 'training and adapters' | 'training';
}

export interface LayerCount {
  readonly linear: number;
  readonly conv: number;
  /** Layers per preset of the layer choice. */
  readonly presets: Readonly<Record<string, number>>;
  /** Weights whose module path could not be told, by node name. */
  readonly unnamed: readonly string[];
}

/** Everything `para base check` tells. */
export interface BaseReport {
  readonly name: string;
  readonly directory: string;
  readonly hash: string | undefined;
  readonly base: Base | undefined;
  readonly parts: readonly PartReport[];
  readonly layers: LayerCount | undefined;
  readonly memory: MemoryEstimate | undefined;
  /** Hashes of the files elsewhere that hold its weights, where they were asked for. */
  readonly weights: readonly WeightHashes[] | undefined;
  readonly problems: readonly BaseProblem[];
}

export interface BaseCheckOptions {
  /** Read every byte of weights that lie elsewhere. */
  readonly full?: boolean;
  readonly onRead?: OnRead;
}

/** The parts of a base with their names. */
function namedParts(base: Base): [string, BasePart][] {
  return [
    ...base.textEncoders.map((e): [string, BasePart] => [e.name, e]),
    ['unet', base.unet],
    ['vae_encoder', base.vaeEncoder],
    ['vae_decoder', base.vaeDecoder],
  ];
}

/**
 * Loads every part of a base and reports what was found. Problems are collected, not thrown.
 * @param nameOrPath as for `openBase`
 */
export async function checkBase(
  nameOrPath: string,
  { full = false, onRead, ...options }: SessionOptions & BaseCheckOptions = {},
): Promise<BaseReport> {
  const problems: BaseProblem[] = [];
  const note = (part: string, cause: unknown, prevents: BaseProblem['prevents'] = 'everything') => {
    if (!(cause instanceof ParaError)) throw cause;
    const { message, where, hint } = cause;
    problems.push({
      part,
      what: where ? `${message} (${where})` : message,
      ...(hint ? { hint } : {}),
      prevents,
    });
  };
  let base: Base;
  try {
    base = openBase(nameOrPath);
  } catch (cause) {
    note('folder', cause);
    return {
      ...{ name: nameOrPath, directory: nameOrPath, hash: undefined, base: undefined },
      ...{ parts: [], layers: undefined, memory: undefined, weights: undefined, problems },
    };
  }
  for (const encoder of base.textEncoders)
    try {
      ClipTokenizer.open(encoder.tokenizer, encoder.vocabulary);
    } catch (cause) {
      note(encoder.name.replace('text_encoder', 'tokenizer'), cause);
    }
  let weights: readonly WeightHashes[] | undefined;
  try {
    if (full) weights = await weightHashes(base.directory, true, onRead);
  } catch (cause) {
    note('weights', cause);
  }
  const parts: PartReport[] = [];
  for (const [name, part] of namedParts(base))
    try {
      parts.push(describePart(name, part));
      await (await partSession(part, options)).release();
    } catch (cause) {
      note(name, cause);
    }
  let layers: LayerCount | undefined;
  let memory: MemoryEstimate | undefined;
  try {
    layers = countLayers(base);
    const facts = unetFacts(base);
    memory = facts.memory;
    if (facts.obstacles.length > 0) note('unet', obstacleError(facts.obstacles), 'training');
  } catch (cause) {
    note('unet', cause, 'training and adapters');
  }
  return {
    name: base.name,
    directory: base.directory,
    hash: base.hash,
    base,
    parts,
    layers,
    memory,
    weights,
    problems,
  };
}

function describePart(name: string, part: BasePart): PartReport {
  const graph = loadGraph(part);
  const perType = new Map<string, number>();
  let parameters = 0;
  // Of a file that holds other parts too, only what is this one's counts.
  let external = 0;
  for (const tensor of graph.initializers.values()) {
    const count = countOf(dimsOf(tensor));
    const type = typeNames[tensor.dataType as DataType] ?? `type ${tensor.dataType}`;
    if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL)
      external += externalLocation(tensor, graph.directory).length;
    if (/float/.test(type)) {
      parameters += count;
      perType.set(type, (perType.get(type) ?? 0) + count);
    }
  }
  const { producerName, producerVersion } = graph.model;
  const inputs = inputPorts(graph);
  const outputs = outputPorts(graph);
  const opset = graph.opset();
  const sampled = name === 'vae_encoder' && removeSampling(graph);
  return {
    name,
    path: part.path,
    bytes: statSync(part.path).size + external,
    parameters,
    precision: [...perType].sort((a, b) => b[1] - a[1]).map(([type]) => type),
    opset,
    exporter: [producerName, producerVersion].filter((s) => s !== '').join(' ') || 'unknown',
    inputs,
    outputs,
    notes: sampled ? ['draws its latent at random; the mean is used instead'] : [],
  };
}

const typeNames: Partial<Record<DataType, string>> = {
  [DataType.FLOAT]: 'float32',
  [DataType.FLOAT16]: 'float16',
  [DataType.BFLOAT16]: 'bfloat16',
  [DataType.DOUBLE]: 'float64',
};

function countLayers(base: Base): LayerCount {
  const { layers, unnamed } = findLayers(loadGraph(base.unet));
  const byPath = new Map(layers.map((layer) => [layer.path, layer]));
  const unique = [...byPath.values()];
  const presets = Object.fromEntries(
    layerPresets.map((preset) => {
      try {
        return [preset, chooseLayers(unique, preset).length];
      } catch {
        return [preset, 0];
      }
    }),
  );
  const linear = unique.filter((layer) => layer.kind === 'linear').length;
  return { linear, conv: unique.length - linear, presets, unnamed };
}
