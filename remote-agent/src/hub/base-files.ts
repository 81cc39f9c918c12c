import { ParaError } from '../common/errors.ts';
import { weightNames } from '../diffusion/checkpoint/weight-names.ts';
import { isBaseFile } from '../protocol/names.ts';

const parts = new Set(['unet', 'text_encoder', 'text_encoder_2', 'vae_encoder', 'vae_decoder', 'vae']);
const described = new Set(['tokenizer', 'tokenizer_2', 'scheduler']);

/** Weights of other tools and pictures, which lie beside the exported models in many repositories. */
const foreign =
  /\.(safetensors|bin|pt|pth|ckpt|msgpack|h5|tflite|xml|mlpackage|mlmodel|png|jpe?g|gif|webp|py|zip|gz)$/i;

/** A base among the files of a repository or archive. */
export interface FoundBase {
  /** A model exported for ONNX, a folder of diffusers, or a checkpoint in one file. */
  readonly kind: 'onnx' | 'diffusers' | 'checkpoint';
  /** Where each file that is needed lies there, by its place here. */
  readonly places: ReadonlyMap<string, string>;
}

/** Whether an exported model needs this file, named relative to its folder. */
function neededOfExport(path: string): boolean {
  if (!isBaseFile(path)) return false;
  const [folder, file] = path.split('/') as [string, string | undefined];
  if (file === undefined) return folder === 'model_index.json';
  if (described.has(folder)) return /\.(json|txt)$/.test(file);
  if (!parts.has(folder)) return false;
  if (file.endsWith('.json')) return true;
  // Other precisions of the same part (model_fp16.onnx and its data) are not read.
  if (/\.onnx/.test(file)) return file.startsWith('model.onnx');
  // Exporters write weights beside the model under the names of their tensors, without an ending of their own.
  return !foreign.test(file) && !/\.(md|gitattributes)$/.test(file);
}

/** The folders above files that end so, each with a slash. */
const foldersAbove = (all: readonly string[], end: string): string[] =>
  all
    .filter((path) => path === end || path.endsWith(`/${end}`))
    .map((path) => path.slice(0, path.length - end.length));

const below = (all: readonly string[], root: string): string[] =>
  all.filter((path) => path.startsWith(root)).map((path) => path.slice(root.length));

/** A base has one folder of this kind or none. @throws ParaError `base` for more */
function oneOf(roots: readonly string[], where: string): string | undefined {
  if (roots.length < 2) return roots[0];
  throw new ParaError('base', 'There is more than one base', {
    where: `${where}: ${roots.slice(0, 5).join(', ')}`,
    hint: 'give one that holds a single base, or take one of its folders and import that',
  });
}

/** The exported model among all files. @throws ParaError `base` for more than one */
export function exportIn(all: readonly string[], where: string): FoundBase | undefined {
  const root = oneOf(foldersAbove(all, 'unet/model.onnx'), where);
  if (root === undefined) return undefined;
  const needed = below(all, root).filter(neededOfExport);
  return { kind: 'onnx', places: new Map(needed.map((path) => [path, root + path])) };
}

const describing: Readonly<Record<string, readonly string[]>> = {
  scheduler: ['scheduler_config.json'],
  tokenizer: ['vocab.json', 'merges.txt', 'tokenizer_config.json', 'special_tokens_map.json'],
};
const weighty = ['unet', 'vae', 'text_encoder', 'text_encoder_2'];

/**
 * The folder of diffusers among all files: of each part the weights in one precision, half where it is there, since it
 * takes half the time.
 * @returns undefined where there is none whose parts all have weights that can be read
 * @throws ParaError `base` for more than one
 */
export function diffusersIn(all: readonly string[], where: string): FoundBase | undefined {
  const root = oneOf(foldersAbove(all, 'unet/config.json'), where);
  if (root === undefined) return undefined;
  const files = new Map<string, string[]>();
  for (const path of below(all, root).filter(isBaseFile)) {
    const [folder, file] = path.split('/') as [string, string | undefined];
    if (file !== undefined) files.set(folder, [...(files.get(folder) ?? []), file]);
  }
  const wanted: string[] = [];
  for (const folder of weighty) {
    const names = files.get(folder);
    // Only SDXL has a second encoder.
    if (!names && folder === 'text_encoder_2') continue;
    const weights = names && weightNames(names, ['.fp16', '']);
    if (!weights) return undefined;
    const beside = names.includes('config.json') ? ['config.json'] : [];
    const own = [...beside, ...(weights.index ? [weights.index] : []), ...weights.files];
    wanted.push(...own.map((file) => `${folder}/${file}`));
  }
  for (const folder of described)
    for (const file of describing[folder.replace(/_2$/, '')]!)
      if (files.get(folder)?.includes(file)) wanted.push(`${folder}/${file}`);
  // What is small tells what the rest is, and comes first.
  const index = all.includes(`${root}model_index.json`) ? ['model_index.json'] : [];
  return { kind: 'diffusers', places: new Map([...index, ...wanted].map((path) => [path, root + path])) };
}

/** A checkpoint in one file, under its own name as far as names of files may be so. */
export function checkpointAt(path: string): FoundBase {
  const name = path
    .split('/')
    .at(-1)!
    .replace(/[^A-Za-z0-9._+ ()[\]-]/g, '-');
  return { kind: 'checkpoint', places: new Map([[isBaseFile(name) ? name : 'model.safetensors', path]]) };
}

/** Files that may be checkpoints in one file: those beside no others of theirs. */
export const looseFiles = (all: readonly string[]): string[] =>
  all.filter((path) => /\.safetensors$/i.test(path) && !path.includes('/'));

/** What to say where there is no base at all. */
export const noBase = (where: string): ParaError =>
  new ParaError('base', 'There is no base', {
    where,
    hint: 'a base is a .safetensors checkpoint, a folder of diffusers with .safetensors weights, or a model exported for ONNX (unet/model.onnx, text_encoder/model.onnx and so on)',
  });

/**
 * The base in an archive, of which nothing but names is known.
 * @throws ParaError `base` where there is none, or more than one
 */
export function baseInArchive(all: readonly string[], where: string): FoundBase {
  const folder = exportIn(all, where) ?? diffusersIn(all, where);
  if (folder) return folder;
  const files = all.filter((path) => /\.safetensors$/i.test(path));
  const file = oneOf(files, where);
  if (file === undefined) throw noBase(where);
  return checkpointAt(file);
}
