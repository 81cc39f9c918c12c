import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { readHeaderSync, type SafetensorsHeader } from '../../adapters/safetensors-header.ts';
import { ParaError } from '../../common/errors.ts';
import { writeFileAtomic } from '../../common/files.ts';
import { saveGraph } from '../../onnx/io.ts';
import { clipTokenizerFiles } from './clip-vocabulary.ts';
import {
  contextWidth,
  modelIndex,
  partConfig,
  projectionWidth,
  schedulerConfig,
  textWidth,
  timeWidth,
} from './configs.ts';
import { ldmPlaces } from './places.ts';
import { recognise } from './recognise.ts';
import {
  openTemplate,
  type PartName,
  type PortSizes,
  pointWeights,
  templateWeights,
  type WeightPlace,
} from './template.ts';
import { type WeightFiles, weightFile, weightFilesName } from './weight-files.ts';

const parts = {
  sdxl: ['text_encoder', 'text_encoder_2', 'unet', 'vae_encoder', 'vae_decoder'],
  sd: ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'],
} as const;

/**
 * Writes the folder of a base whose weights stay in a single-file checkpoint: graphs that point into the file,
 * configs and tokenizers. Only the file's header and a few blocks for its fingerprint are read.
 * @param path a `.safetensors` file with the names of the latent-diffusion code
 * @throws ParaError `base` for a file that is no SDXL base or SD 1.x, or that lacks parts; `safetensors`, `disk`
 */
export function writeCheckpointBase(path: string, folder: string): void {
  const header = checkpointHeader(path);
  const { architecture, prediction } = recognise(header);
  const found = parts[architecture].map((part) => {
    const graph = openTemplate(architecture, part);
    const { places, missing } = ldmPlaces(header, architecture, part, templateWeights(graph));
    if (missing.length > 0) throw incomplete(path, part, missing, places.size === 0);
    return { part, graph, places };
  });
  const placesOf = (part: PartName) => found.find((p) => p.part === part)?.places ?? new Map();
  const pooled = projectionWidth(placesOf('text_encoder_2'));
  const time = architecture === 'sdxl' ? timeWidth(placesOf('unet'), pooled) : 0;
  const weights: WeightFiles = { files: [weightFile(header.path)], parts: {} };
  for (const { part, graph, places } of found) {
    weights.parts[part] = pointWeights(graph, places, portSizes(part, places, pooled), time);
    saveGraph(graph, join(folder, part, 'model.onnx'));
    writeJson(join(folder, part, 'config.json'), partConfig(architecture, part, places, time));
  }
  writeTokenizer(join(folder, 'tokenizer'), '<|endoftext|>');
  if (architecture === 'sdxl') writeTokenizer(join(folder, 'tokenizer_2'), '!');
  writeJson(join(folder, 'scheduler', 'scheduler_config.json'), schedulerConfig(architecture, prediction));
  writeJson(join(folder, 'model_index.json'), modelIndex(architecture));
  writeJson(join(folder, weightFilesName), weights);
}

/** @throws ParaError `safetensors` for a file that is none, is cut off or cannot be read */
function checkpointHeader(path: string): SafetensorsHeader {
  let header: SafetensorsHeader;
  try {
    // The runtime refuses links, as download caches hold them.
    header = readHeaderSync(realpathSync(path));
  } catch (cause) {
    const why = cause instanceof Error ? ` (${cause.message})` : '';
    throw new ParaError('safetensors', `This is not a safetensors file that can be read${why}`, {
      where: path,
      hint: 'checkpoints of other formats (.ckpt, .pt, .bin) can run code when loaded and are not read; save it as .safetensors',
      cause,
    });
  }
  for (const { name, offset, length } of header.tensors.values())
    if (offset + length > header.bytes)
      throw new ParaError('safetensors', `The checkpoint ends before its tensor ${name} does`, {
        where: path,
        hint: 'it is cut off; copy or download it again',
      });
  return header;
}

function incomplete(path: string, part: PartName, missing: readonly string[], all: boolean): ParaError {
  const name = part.replaceAll('_', ' ');
  return new ParaError(
    'base',
    all
      ? `The checkpoint has no ${name}`
      : `The checkpoint lacks ${missing.length} weights of its ${name}, such as ${missing[0]}`,
    {
      where: path,
      hint: all
        ? 'it was pruned; use the whole checkpoint'
        : 'it is damaged, or of another architecture than it seems; use the whole checkpoint',
    },
  );
}

/** Sizes of a part's inputs and outputs that follow from its weights. */
function portSizes(part: PartName, places: ReadonlyMap<string, WeightPlace>, pooled: number): PortSizes {
  if (part === 'unet')
    return { encoder_hidden_states: { 2: contextWidth(places) }, text_embeds: { 1: pooled } };
  const states = { 2: textWidth(places) };
  if (part === 'text_encoder') return { last_hidden_state: states, 'hidden_states.11': states };
  if (part === 'text_encoder_2') return { text_embeds: { 1: pooled }, 'hidden_states.31': states };
  return {};
}

function writeTokenizer(folder: string, padding: string): void {
  for (const [name, text] of Object.entries(clipTokenizerFiles(padding)))
    writeFileAtomic(join(folder, name), text);
}

const writeJson = (path: string, value: unknown) =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
