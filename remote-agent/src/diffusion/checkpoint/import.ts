import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, realpathSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { makeFolder, writeFileAtomic } from '../../common/files.ts';
import type { Graph } from '../../onnx/graph.ts';
import { encodeGraph, saveGraph } from '../../onnx/io.ts';
import type { Base } from '../base.ts';
import { Config } from '../base-config.ts';
import { describing, placeFile } from '../base-files.ts';
import { clipTokenizerFiles } from './clip-vocabulary.ts';
import { checkConfig, contextWidth, partConfig, projectionWidth, textWidth, timeWidth } from './configs.ts';
import type { Source, TokenizerName } from './source.ts';
import {
  openTemplate,
  type PartName,
  type PortSizes,
  pointWeights,
  templateWeights,
  type WeightPlace,
} from './template.ts';
import {
  openWeightFiles,
  type WeightFile,
  type WeightFiles,
  weightFile,
  writeWeightFiles,
} from './weight-files.ts';

const encoderParts = { sdxl: ['text_encoder', 'text_encoder_2'], sd: ['text_encoder'] } as const;

type Places = ReadonlyMap<string, WeightPlace>;

/**
 * Writes the folder of a base whose weights stay where they are: graphs that point into their files, configs and
 * tokenizers. Only headers of files and a few blocks for their fingerprints are read.
 * @param encoders a base whose text encoders and tokenizers are taken instead of the model's own
 * @throws ParaError `base` for a model that lacks parts or is built otherwise than the graphs; `disk`
 */
export function writeCheckpointBase(source: Source, folder: string, encoders?: Base): void {
  const { architecture } = source;
  const own = encoders ? [] : encoderParts[architecture];
  const found = [...own, 'unet' as const, 'vae_encoder' as const, 'vae_decoder' as const].map((part) => {
    const graph = openTemplate(architecture, part);
    const { places, missing, unknown } = source.places(part, templateWeights(graph));
    if (missing.length > 0) throw incomplete(source.path, part, missing, places.size === 0);
    if (unknown.length > 0)
      throw new ParaError('base', `The ${part} has weights that no known model has, such as ${unknown[0]}`, {
        where: source.path,
        hint: 'it computes otherwise than SDXL base and Stable Diffusion 1.x; export it for ONNX and import that folder',
      });
    return { part, graph, places };
  });
  const placesOf = (part: PartName): Places => found.find((p) => p.part === part)?.places ?? new Map();
  const pooled = encoders ? pooledWidth(encoders) : projectionWidth(placesOf('text_encoder_2'));
  const time = architecture === 'sdxl' ? timeWidth(placesOf('unet'), pooled) : 0;
  const given = Object.entries(source.origin ?? {}).map(
    ([role, path]) => [role, realpathSync(path), path] as const,
  );
  const origin = Object.fromEntries(given.map(([role, path]) => [role, path]));
  const names = new Map(given.map(([, path, link]) => [path, basename(link)]));
  const files = new Map<string, WeightFile>();
  for (const { places } of found)
    for (const { file } of places.values())
      if (!files.has(file)) files.set(file, weightFile(file, names.get(file)));
  const weights: WeightFiles = { files: [...files.values()], parts: {}, graphs: {}, ...origin };
  for (const { part, graph, places } of found) {
    weights.parts[part] = pointWeights(graph, places, portSizes(part, places, pooled), time);
    saveGraph(graph, join(folder, part, 'model.onnx'));
    weights.graphs[graphHash(graph)] = graphHash(withoutNames(graph, places, files));
    const config = partConfig(architecture, part, places, time);
    const said = source.config(part);
    if (said) checkConfig(said, config, join(source.path, part));
    writeJson(join(folder, part, 'config.json'), { ...config, ...said });
  }
  if (encoders) takeEncoders(encoders, architecture, folder, weights);
  else {
    writeTokenizer(source, 'tokenizer', folder);
    if (architecture === 'sdxl') writeTokenizer(source, 'tokenizer_2', folder);
  }
  writeJson(join(folder, 'scheduler', 'scheduler_config.json'), source.scheduler);
  writeJson(join(folder, 'model_index.json'), source.index);
  writeWeightFiles(folder, weights);
}

const graphHash = (graph: Graph): string => createHash('sha256').update(encodeGraph(graph)).digest('hex');

/** Puts fingerprints in place of the names of files, in a graph that is not needed any more. */
function withoutNames(graph: Graph, places: Places, files: ReadonlyMap<string, WeightFile>): Graph {
  const fingerprints = new Map(
    [...places.values()].map(({ file }) => [basename(file), files.get(file)!.fingerprint]),
  );
  for (const tensor of graph.initializers.values())
    for (const entry of tensor.externalData)
      if (entry.key === 'location') entry.value = fingerprints.get(entry.value) ?? entry.value;
  return graph;
}

function incomplete(path: string, part: PartName, missing: readonly string[], all: boolean): ParaError {
  const name = part.replaceAll('_', ' ');
  const remedy = part.startsWith('vae_')
    ? 'give another VAE: --vae FILE.safetensors'
    : part.startsWith('text_')
      ? "take another base's: --text-encoders BASE"
      : 'use the whole checkpoint';
  return new ParaError(
    'base',
    all
      ? `The checkpoint has no ${name}`
      : `The checkpoint lacks ${missing.length} weights of its ${name}, such as ${missing[0]}`,
    {
      where: path,
      hint: all
        ? `it was pruned; ${remedy}`
        : `it is damaged, or of another architecture than it seems; use the whole checkpoint`,
    },
  );
}

/** Width of a base's pooled text; 0 where it has none. */
function pooledWidth({ textEncoders }: Base): number {
  const encoder = textEncoders.find(({ ports }) => ports.pooled);
  if (!encoder) return 0;
  return (
    encoder.ports.pooled!.dims[1] ?? new Config(encoder.directory, 'config.json').number('projection_dim')
  );
}

/** Takes text encoders and tokenizers of another base, whose weights stay where they are if they lie elsewhere. */
function takeEncoders(base: Base, architecture: string, folder: string, weights: WeightFiles): void {
  if (base.architecture !== architecture)
    throw new ParaError('base', `The text encoders of ${base.name} are those of another architecture`, {
      where: base.directory,
      hint: `take a base of the architecture ${architecture}; this one is ${base.architecture}`,
    });
  const elsewhere = openWeightFiles(base.directory);
  const files = new Set<string>();
  for (const encoder of base.textEncoders) {
    const kept = elsewhere?.parts[encoder.name];
    if (kept !== undefined) weights.parts[encoder.name] = kept;
    for (const file of encoder.files)
      if (file.startsWith(encoder.directory + sep))
        placeFile(file, join(folder, relative(base.directory, file)));
      else files.add(file);
    for (const beside of [encoder.directory, encoder.tokenizer])
      for (const file of describing(beside)) placeFile(file, join(folder, relative(base.directory, file)));
  }
  Object.assign(weights.graphs, elsewhere?.graphs);
  const known = new Set(weights.files.map(({ path }) => path));
  weights.files.push(...(elsewhere?.files ?? []).filter(({ path }) => files.has(path) && !known.has(path)));
}

/** Sizes of a part's inputs and outputs that follow from its weights. */
function portSizes(part: PartName, places: Places, pooled: number): PortSizes {
  if (part === 'unet')
    return { encoder_hidden_states: { 2: contextWidth(places) }, text_embeds: { 1: pooled } };
  const states = { 2: textWidth(places) };
  if (part === 'text_encoder') return { last_hidden_state: states, 'hidden_states.11': states };
  if (part === 'text_encoder_2') return { text_embeds: { 1: pooled }, 'hidden_states.31': states };
  return {};
}

const tokenizerFiles = ['vocab.json', 'merges.txt', 'tokenizer_config.json', 'special_tokens_map.json'];

/** The source's own tokenizer, else CLIP's. */
function writeTokenizer(source: Source, name: TokenizerName, folder: string): void {
  const own = source.tokenizer(name);
  const target = join(folder, name);
  if (own) {
    makeFolder(target);
    for (const file of tokenizerFiles)
      if (existsSync(join(own, file))) copyFileSync(join(own, file), join(target, file));
    return;
  }
  // SDXL's second encoder was trained with texts filled up by "!".
  const texts = clipTokenizerFiles(name === 'tokenizer' ? '<|endoftext|>' : '!');
  for (const [file, text] of Object.entries(texts)) writeFileAtomic(join(target, file), text);
}

const writeJson = (path: string, value: unknown) =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
