import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import type { Graph } from '../onnx/graph.ts';
import { loadGraph } from '../onnx/io.ts';
import { TensorProto_DataLocation } from '../onnx/proto/onnx_pb.ts';
import { externalLocation } from '../onnx/tensor-data.ts';
import { Config, readSchedulerConfig, type SchedulerConfig } from './base-config.ts';
import { hashFiles } from './base-hash.ts';
import type { BasePart } from './base-part.ts';
import { findBase, isDiffusersFolder } from './base-places.ts';
import {
  choosePort,
  type GraphPort,
  inputPorts,
  outputPorts,
  type TextPorts,
  textPorts,
  type UnetPorts,
  unetPorts,
} from './base-ports.ts';
import { pictureSizes } from './base-sizes.ts';
import { watchBase } from './base-watch.ts';
import { openWeightFiles, type WeightFiles } from './checkpoint/weight-files.ts';

export interface BaseUnet extends BasePart {
  readonly ports: UnetPorts;
  /** Width of the text states it attends to. */
  readonly hiddenWidth: number;
  /** Width of each of the six sinusoidal time_ids embeddings (`addition_time_embed_dim`). */
  readonly timeEmbedding: number;
}

export interface BaseTextEncoder extends BasePart {
  readonly name: 'text_encoder' | 'text_encoder_2';
  readonly ports: TextPorts;
  readonly width: number;
  /** Tokens per chunk, start and end token included. */
  readonly tokens: number;
  readonly vocabulary: number;
  /** Folder of `vocab.json` and `merges.txt`. */
  readonly tokenizer: string;
}

export interface BaseVae extends BasePart {
  readonly input: GraphPort;
  readonly output: GraphPort;
}

/** A text-to-image model as its files describe it; nothing of it is loaded. */
export interface Base {
  readonly name: string;
  readonly directory: string;
  /** Content hash over the model, tokenizer and config files (64 hex digits); computed when first asked for. */
  readonly hash: string;
  /** `sdxl`: two encoders' second last states, pooled text and time_ids; `sd`: one encoder's last states. */
  readonly architecture: 'sdxl' | 'sd';
  readonly unet: BaseUnet;
  readonly textEncoders: readonly BaseTextEncoder[];
  readonly vaeEncoder: BaseVae;
  readonly vaeDecoder: BaseVae;
  readonly latentChannels: number;
  /** Pixels per latent position along each axis. */
  readonly vaeFactor: number;
  /** Latents are `(mean - shiftFactor) * scalingFactor`. */
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  /** Default picture size (`sample_size` times the VAE's factor). */
  readonly width: number;
  readonly height: number;
  /** Smallest step of a picture's width and height: the VAE's factor times the U-Net's. */
  readonly sizeStep: number;
  readonly scheduler: SchedulerConfig;
  readonly predictionType: SchedulerConfig['predictionType'];
  /** Empty negative prompts become zeros instead of the empty text's states (`force_zeros_for_empty_prompt`). */
  readonly zeroEmptyNegative: boolean;
  /**
   * Makes sure that its files are what they were when it was opened: sizes, times and headers; bytes where only a time
   * differs. To be called before something is loaded or kept.
   * @throws ParaError `base` with the file and how it differs
   */
  readonly check: () => void;
}

/** The folder of a base, and which files elsewhere hold its weights. */
interface Place {
  readonly directory: string;
  readonly elsewhere: WeightFiles | undefined;
}

/** Finds a part's model file. @throws ParaError `base` naming the part that is missing */
function partGraph({ directory: base, elsewhere }: Place, part: string): { part: BasePart; graph: Graph } {
  const directory = join(base, part);
  const path = join(directory, 'model.onnx');
  if (!existsSync(path))
    throw new ParaError('base', `The base lacks its part "${part}"`, {
      where: path,
      hint: isDiffusersFolder(base)
        ? `weights of diffusers become a base by an import: para base import ${base}`
        : 'a base is a folder with unet, text_encoder, vae_encoder, vae_decoder, tokenizer and scheduler, as exported for ONNX',
    });
  const weights = elsewhere?.parts[part] ?? directory;
  const graph = loadGraph({ path, weights });
  return { part: { directory, path, weights, files: [path, ...externalFiles(graph)] }, graph };
}

function externalFiles(graph: Graph): string[] {
  const files = new Set<string>();
  for (const tensor of graph.initializers.values())
    if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL)
      files.add(externalLocation(tensor, graph.directory).path);
  return [...files].sort();
}

function openUnet(base: Place): { unet: BaseUnet; config: Config; graph: Graph } {
  const { part, graph } = partGraph(base, 'unet');
  const config = new Config(part.directory, 'config.json');
  const ports = unetPorts(graph);
  const hiddenWidth = ports.hidden.dims[2] ?? config.number('cross_attention_dim');
  const timeEmbedding = ports.timeIds ? config.number('addition_time_embed_dim') : 0;
  return { unet: { ...part, ports, hiddenWidth, timeEmbedding }, config, graph };
}

function openTextEncoder(base: Place, name: BaseTextEncoder['name'], penultimate: boolean): BaseTextEncoder {
  const { part, graph } = partGraph(base, name);
  const config = new Config(part.directory, 'config.json');
  const tokenizer = join(base.directory, name === 'text_encoder' ? 'tokenizer' : 'tokenizer_2');
  if (!existsSync(tokenizer))
    throw new ParaError('base', `The base lacks its part "${basename(tokenizer)}"`, {
      where: tokenizer,
      hint: 'copy the whole folder of the exported model, its tokenizers included',
    });
  const layers = config.number('num_hidden_layers');
  return {
    ...part,
    name,
    ports: textPorts(graph, name, layers, penultimate),
    width: config.number('hidden_size'),
    tokens: config.number('max_position_embeddings', 77),
    vocabulary: config.number('vocab_size'),
    tokenizer,
  };
}

function openVae(base: Place, name: 'vae_encoder' | 'vae_decoder'): { vae: BaseVae; config: Config } {
  const { part, graph } = partGraph(base, name);
  const beside = existsSync(join(part.directory, 'config.json'))
    ? part.directory
    : join(base.directory, 'vae');
  const inputs = inputPorts(graph);
  const rank4 = (p: GraphPort) => p.dims.length === 4;
  const [inputNames, outputNames] =
    name === 'vae_encoder'
      ? [['sample'], ['latent_parameters', 'latent_sample', 'latent_dist', 'moments']]
      : [['latent_sample', 'latent', 'latents'], ['sample']];
  const vae: BaseVae = {
    ...part,
    input: choosePort(name, 'input', inputs, inputNames, rank4),
    output: choosePort(name, 'output', outputPorts(graph), outputNames, rank4),
  };
  if (inputs.length > 1)
    throw new ParaError(
      'base',
      `The ${name} has more than one input: ${inputs.map((p) => p.name).join(', ')}`,
      {
        where: part.path,
        hint: 'export the VAE again with its usual single input',
      },
    );
  const config = new Config(beside, 'config.json');
  if (config.raw('latents_mean') != null || config.raw('latents_std') != null)
    throw new ParaError('base', 'The VAE normalises each latent channel on its own, which is not supported', {
      where: join(beside, 'config.json'),
      hint: 'use a base whose VAE has one scaling_factor (latents_mean and latents_std null)',
    });
  return { vae, config };
}

/**
 * Reads what a base's files say about it. Models are parsed for their inputs and outputs, weights stay on disk.
 * @param nameOrPath name of a folder in `basePlaces()`, or a path
 * @throws ParaError `base` naming the part that is missing or of an unknown kind, `model-file` for a broken model
 */
export function openBase(nameOrPath: string): Base {
  const directory = findBase(nameOrPath);
  const place = { directory, elsewhere: openWeightFiles(directory) };
  const { unet, config } = openUnet(place);
  const architecture = unet.ports.pooled && unet.ports.timeIds ? 'sdxl' : 'sd';
  const encoders = (
    architecture === 'sdxl' ? (['text_encoder', 'text_encoder_2'] as const) : (['text_encoder'] as const)
  ).map((name) => openTextEncoder(place, name, architecture === 'sdxl'));
  const encoder = openVae(place, 'vae_encoder');
  const decoder = openVae(place, 'vae_decoder');
  const scheduler = readSchedulerConfig(join(directory, 'scheduler'));
  const latentChannels = decoder.config.number('latent_channels', 4);
  const sizes = pictureSizes(config, decoder.config);
  const base = {
    name: basename(directory),
    directory,
    architecture,
    unet,
    textEncoders: encoders,
    vaeEncoder: encoder.vae,
    vaeDecoder: decoder.vae,
    latentChannels,
    scalingFactor: decoder.config.number('scaling_factor', 0.18215),
    shiftFactor:
      typeof decoder.config.raw('shift_factor') === 'number' ? decoder.config.number('shift_factor') : 0,
    ...sizes,
    scheduler,
    predictionType: scheduler.predictionType,
    zeroEmptyNegative: zeroEmptyNegative(directory),
  } as const;
  checkFit(base, config.number('in_channels', latentChannels));
  const files = hashedFiles(base);
  const hashNow = () => hashFiles(directory, files, place.elsewhere);
  let hash: string | undefined;
  const elsewhere = new Set(place.elsewhere?.files.map(({ path }) => path));
  const own = files.filter((file) => !elsewhere.has(file));
  const check = watchBase(directory, own, place.elsewhere, (anew) => (anew ? hashNow() : hash));
  return Object.defineProperty({ ...base, check }, 'hash', {
    enumerable: true,
    get: () => (hash ??= hashNow()),
  }) as unknown as Base;
}

type Unhashed = Omit<Base, 'hash' | 'check'>;

/** Parts that do not belong together are found here rather than in the middle of a run. */
function checkFit(base: Unhashed, unetChannels: number): void {
  const { unet, textEncoders } = base;
  const fail = (what: string) => {
    throw new ParaError('base', what, {
      where: base.directory,
      hint: 'the parts come from different models; copy the whole folder of one export again',
    });
  };
  if (unetChannels !== base.latentChannels)
    fail(`The U-Net takes ${unetChannels} channels, the VAE gives ${base.latentChannels}`);
  const width = textEncoders.reduce((sum, e) => sum + e.width, 0);
  if (width !== unet.hiddenWidth)
    fail(`The U-Net attends to text states of width ${unet.hiddenWidth}, the text encoders give ${width}`);
  if (unet.ports.pooled && !textEncoders.some((e) => e.ports.pooled))
    fail('The U-Net needs a pooled text projection, and no text encoder gives one');
  if (new Set(textEncoders.map((e) => e.tokens)).size > 1)
    fail(
      `The text encoders take different numbers of tokens: ${textEncoders.map((e) => e.tokens).join(', ')}`,
    );
}

function zeroEmptyNegative(directory: string): boolean {
  if (!existsSync(join(directory, 'model_index.json'))) return false;
  return new Config(directory, 'model_index.json').flag('force_zeros_for_empty_prompt', false);
}

/** Every file whose bytes decide what the base computes. */
function hashedFiles(base: Unhashed): string[] {
  const parts = [base.unet, ...base.textEncoders, base.vaeEncoder, base.vaeDecoder];
  const files = parts.flatMap((part) => [...part.files, join(part.directory, 'config.json')]);
  for (const encoder of base.textEncoders)
    files.push(join(encoder.tokenizer, 'vocab.json'), join(encoder.tokenizer, 'merges.txt'));
  files.push(join(base.directory, 'scheduler', 'scheduler_config.json'));
  files.push(join(base.directory, 'model_index.json'), join(base.directory, 'vae', 'config.json'));
  return files.filter((file) => existsSync(file) && statSync(file).isFile());
}
