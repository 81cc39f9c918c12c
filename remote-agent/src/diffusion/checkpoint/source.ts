import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { readConfig } from '../base-config.ts';
import { modelIndex, schedulerConfig, zeroSnrScheduler } from './configs.ts';
import { ldmVaeName, unetPrefix } from './ldm-names.ts';
import { diffusersNaming, findPlaces, ldmNaming, type Naming, type PartPlaces } from './places.ts';
import { type KnownArchitecture, otherKind, predictionOf, recognise } from './recognise.ts';
import type { PartName } from './template.ts';
import { readWeights, type Tensors } from './tensors.ts';
import { weightNames } from './weight-names.ts';

export type Json = Readonly<Record<string, unknown>>;
export type TokenizerName = 'tokenizer' | 'tokenizer_2';

/** A model whose weights can be pointed to, in whatever layout. */
export interface Source {
  readonly path: string;
  readonly architecture: KnownArchitecture;
  /** Where a part's weights lie. @param wanted their names in diffusers */
  places(part: PartName, wanted: readonly string[]): PartPlaces;
  readonly scheduler: Json;
  readonly index: Json;
  /** What the source itself says of a part. */
  config(part: PartName): Json | undefined;
  /** The checkpoint in one file, and the VAE that replaces its own, by the paths that they were given by. */
  readonly origin?: { readonly checkpoint: string; readonly vae?: string };
  /** Folder of a tokenizer that the source has. */
  tokenizer(name: TokenizerName): string | undefined;
}

/**
 * A checkpoint in one file, with the names of the latent-diffusion code.
 * @throws ParaError `base` for a file that is no SDXL base or SD 1.x, `safetensors`
 */
export function singleFile(path: string): Source {
  const header = readWeights([path]);
  const architecture = recognise(header.tensors, path, 'ldm');
  return {
    ...{ path, architecture },
    places: (part, wanted) =>
      findPlaces(
        header.tensors,
        ldmNaming(architecture, part, wanted),
        wanted,
        part === 'unet' ? unetPrefix : undefined,
      ),
    scheduler: schedulerConfig(architecture, predictionOf(header)),
    index: modelIndex(architecture),
    config: () => undefined,
    tokenizer: () => undefined,
    origin: { checkpoint: path },
  };
}

/**
 * A folder as diffusers saves a pipeline.
 * @throws ParaError `base` for a model that is no SDXL base or SD 1.x, `safetensors`
 */
export function diffusersFolder(path: string): Source {
  const known = new Map<string, Tensors>();
  const tensorsOf = (folder: string): Tensors => {
    const found = known.get(folder) ?? readWeights(weightsIn(join(path, folder))).tensors;
    known.set(folder, found);
    return found;
  };
  const architecture = recognise(tensorsOf('unet'), join(path, 'unet'), 'diffusers');
  const optional = (folder: string, file: string): Json | undefined =>
    existsSync(join(path, folder, file)) ? readConfig(join(path, folder), file) : undefined;
  return {
    ...{ path, architecture },
    places: (part, wanted) =>
      findPlaces(tensorsOf(folderOf(part)), diffusersNaming(part), wanted, part === 'unet' ? '' : undefined),
    scheduler:
      optional('scheduler', 'scheduler_config.json') ??
      schedulerConfig(architecture, { type: 'epsilon', zeroTerminalSnr: false }),
    index: optional('', 'model_index.json') ?? modelIndex(architecture),
    config: (part) => optional(folderOf(part), 'config.json'),
    tokenizer: (name) =>
      ['vocab.json', 'merges.txt'].every((file) => existsSync(join(path, name, file)))
        ? join(path, name)
        : undefined,
  };
}

const folderOf = (part: PartName): string => (isVae(part) ? 'vae' : part);

/**
 * The files of a part's weights: in one or several, at full precision where both are there.
 * @returns none for a part that is not there
 * @throws ParaError `base` for weights in a format that is not read, or in parts that are not all there
 */
function weightsIn(folder: string): string[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const found = weightNames(names, ['', '.fp16']);
  if (found) return found.index ? shards(folder, found.index) : found.files.map((file) => join(folder, file));
  const unread = names.find((name) => /\.(bin|ckpt|pt|msgpack|h5)$/.test(name));
  if (unread === undefined) return [];
  throw new ParaError('base', `The weights of ${folder} are in a format that is not read`, {
    where: join(folder, unread),
    hint: 'weights of other formats can run code when loaded; take the .safetensors files of the model',
  });
}

function shards(folder: string, index: string): string[] {
  const { weight_map: map } = readConfig(folder, index);
  // A name is one of this folder, whatever the list says.
  const files = [...new Set(Object.values(map ?? {}).map((file) => basename(String(file))))];
  const missing = files.find((file) => !existsSync(join(folder, file)));
  if (files.length > 0 && missing === undefined) return files.map((file) => join(folder, file));
  throw new ParaError('base', `The weights that ${index} lists are not all there`, {
    where: join(folder, missing ?? index),
    hint: 'copy or download the whole folder again',
  });
}

/**
 * The same model with another VAE.
 * @param file safetensors, with the names of the latent-diffusion code or of diffusers
 * @throws ParaError `base` for a file that holds no VAE, or one for other latents; `safetensors`
 */
export function withVae(source: Source, file: string): Source {
  const { tensors } = readWeights([file]);
  const input = diffusersNaming('vae_decoder')('decoder.conv_in.weight')
    .concat(ldmNaming(source.architecture, 'vae_decoder', [])('decoder.conv_in.weight'))
    .map(({ name }) => tensors.get(name)?.dims)
    .find((dims) => dims !== undefined);
  if (input?.[1] !== 4)
    throw new ParaError(
      'base',
      input
        ? `This VAE has latents of ${input[1]} channels, the U-Net takes 4`
        : `This file holds no VAE: it is ${otherKind(tensors)}`,
      { where: file, hint: 'give the .safetensors file of a VAE for SDXL or Stable Diffusion 1.x' },
    );
  return {
    ...source,
    places(part, wanted) {
      if (!isVae(part)) return source.places(part, wanted);
      const inCheckpoint = ldmNaming(source.architecture, part, wanted);
      const naming: Naming = (weight) => [
        ...inCheckpoint(weight),
        { name: ldmVaeName(weight).name },
        ...diffusersNaming(part)(weight),
      ];
      return findPlaces(tensors, naming, wanted);
    },
    config: (part) => (isVae(part) ? undefined : source.config(part)),
    ...(source.origin ? { origin: { ...source.origin, vae: file } } : {}),
  };
}

/** The same model with what its files do not tell of the noise that it was trained with. */
export function withNoise(
  source: Source,
  {
    prediction,
    zeroTerminalSnr,
  }: { readonly prediction?: 'epsilon' | 'v'; readonly zeroTerminalSnr?: boolean },
): Source {
  const type = prediction === 'v' ? 'v_prediction' : prediction;
  const scheduler = {
    ...source.scheduler,
    ...(type === undefined ? {} : { prediction_type: type }),
    ...(zeroTerminalSnr ? zeroSnrScheduler : {}),
  };
  return { ...source, scheduler };
}

const isVae = (part: PartName): boolean => part.startsWith('vae_');
