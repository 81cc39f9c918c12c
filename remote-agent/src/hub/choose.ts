import { ParaError } from '../common/errors.ts';
import { shownAddress } from '../common/http.ts';
import { type KnownArchitecture, recognise } from '../diffusion/checkpoint/recognise.ts';
import type { PlacedTensor } from '../diffusion/checkpoint/tensors.ts';
import { checkpointAt, diffusersIn, exportIn, type FoundBase, looseFiles, noBase } from './base-files.ts';
import type { Asking } from './fetch.ts';
import type { HubFile } from './listing.ts';
import { type RemoteHeader, remoteHeader } from './remote-header.ts';

/** A repository of a hub at one commit. */
export interface Repository {
  readonly files: ReadonlyMap<string, HubFile>;
  /** Named in errors. */
  readonly where: string;
  readonly urlOf: (path: string) => URL;
  readonly asking: Asking;
}

/**
 * Chooses what is fetched of a repository, which often holds the same model several times: a checkpoint that is
 * recognised by the headers of its files, or an exported model, the smaller of the two where both are there.
 * @param file a checkpoint that was asked for by name
 * @throws ParaError `base` where there is none, more than one, or one of another kind; `download`, `safetensors`
 */
export async function chooseBase(repository: Repository, file?: string): Promise<FoundBase> {
  const { files, where } = repository;
  const all = [...files.keys()];
  if (file !== undefined) {
    if (!files.has(file))
      throw new ParaError('download', 'The hub has no such file', {
        where: `${where}: ${file}`,
        hint: `it has: ${looseFiles(all).slice(0, 5).join(', ') || 'no checkpoint in one file'}`,
      });
    await kindOf(repository, [file], 'ldm');
    return checkpointAt(file);
  }
  const exported = exportIn(all, where);
  const folder = diffusersIn(all, where);
  if (folder) {
    try {
      await checkFolder(repository, folder);
      if (!exported) return folder;
      const sizes = [exported, folder].map((found) => sizeOf(found, files));
      return sizes.every((size) => size !== undefined) && sizes[1]! < sizes[0]! ? folder : exported;
    } catch (cause) {
      if (!exported || (cause instanceof ParaError && cause.code === 'cancelled')) throw cause;
    }
  }
  return exported ?? (await oneLoose(repository, looseFiles(all)));
}

/** Bytes of all files, where the hub tells them. */
export function sizeOf({ places }: FoundBase, files: ReadonlyMap<string, HubFile>): number | undefined {
  let bytes = 0;
  for (const path of places.values()) {
    const { size } = files.get(path)!;
    if (size === undefined) return undefined;
    bytes += size;
  }
  return bytes;
}

async function checkFolder(repository: Repository, { places }: FoundBase): Promise<void> {
  const weights = [...places].filter(([to]) => /^unet\/.*\.safetensors$/.test(to)).map(([, from]) => from);
  const architecture = await kindOf(repository, weights, 'diffusers');
  if (architecture === 'sdxl' && ![...places.keys()].some((to) => to.startsWith('text_encoder_2/')))
    throw new ParaError('base', 'The model has no second text encoder, which SDXL needs', {
      where: repository.where,
      hint: 'import a whole checkpoint, or download this one and give it the encoders of another base',
    });
}

/** What weights are, by the headers of their files; undefined where these cannot be had now. */
async function kindOf(
  { urlOf, asking, where }: Repository,
  paths: readonly string[],
  names: 'ldm' | 'diffusers',
): Promise<KnownArchitecture | undefined> {
  const tensors = new Map<string, PlacedTensor>();
  for (const path of paths) {
    const header = await remoteHeader(urlOf(path), asking);
    if (!header) return undefined;
    for (const [name, tensor] of header.tensors) tensors.set(name, tensor);
  }
  return recognise(tensors, `${where}: ${paths[0]}`, names);
}

/** The one checkpoint among files that may be adapters and parts as well. */
async function oneLoose(repository: Repository, paths: readonly string[]): Promise<FoundBase> {
  const { where, files, urlOf } = repository;
  const found: string[] = [];
  const refused: ParaError[] = [];
  for (const path of paths)
    try {
      await kindOf(repository, [path], 'ldm');
      found.push(path);
    } catch (cause) {
      if (!(cause instanceof ParaError && ['base', 'safetensors'].includes(cause.code))) throw cause;
      refused.push(cause);
    }
  if (found.length === 1) return checkpointAt(found[0]!);
  if (found.length === 0) throw refused.length === 1 ? refused[0]! : noBase(where);
  const sized = found.map((path) => `${path} (${Math.round((files.get(path)?.size ?? 0) / 1e6)} MB)`);
  throw new ParaError('base', 'There is more than one checkpoint', {
    where: `${where}: ${sized.join(', ')}`,
    hint: `give the address of one: ${shownAddress(urlOf(found[0]!))}`,
  });
}

/**
 * Makes sure, by its first bytes, that what lies at an address can become a base.
 * @returns its size, where the server tells
 * @throws ParaError `base`, `safetensors`, `download`, `cancelled`
 */
export async function checkAddress(url: URL, asking: Asking): Promise<number | undefined> {
  const header: RemoteHeader | undefined = await remoteHeader(url, asking);
  if (header) recognise(header.tensors, shownAddress(url), 'ldm');
  return header?.bytes;
}
