import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { basename } from 'node:path';
import type { BaseOrigin, HashedFile } from '../../adapters/info.ts';
import { readingFile } from '../../common/files.ts';
import { hashFile } from '../../common/hash.ts';
import {
  changed,
  openWeightFiles,
  type WeightFile,
  type WeightFiles,
  writeWeightFiles,
} from './weight-files.ts';

/** Hashes of a file of weights as the tools around Stable Diffusion name models by them. */
export interface WeightHashes extends HashedFile {
  readonly bytes: number;
}

/** Called before a file is read in full, which takes about four seconds a GB. */
export type OnRead = (file: string, bytes: number) => void;

/**
 * Hashes of the files that hold a base's weights where they are not its own. What was read once is remembered in the
 * base, for as long as the files stay what they were.
 * @param again read every byte even so, and hold the file against what is remembered
 * @throws ParaError `base` for a file that is gone or was changed
 */
export async function weightHashes(
  directory: string,
  again = false,
  onRead: OnRead = () => {},
): Promise<WeightHashes[]> {
  const weights = openWeightFiles(directory);
  return weights ? (await hashed(directory, weights, again, onRead)).map(hashesOf) : [];
}

/**
 * The files that a base was imported from as an exported adapter names them.
 * @returns undefined for a base that was not a checkpoint in one file, which no other tool knows by a hash
 * @throws as `weightHashes`
 */
export async function baseOrigin(
  directory: string,
  onRead: OnRead = () => {},
): Promise<BaseOrigin | undefined> {
  const weights = openWeightFiles(directory);
  if (weights?.checkpoint === undefined) return undefined;
  const files = await hashed(directory, weights, false, onRead);
  const find = (wanted: string | undefined) => {
    const found = files.find(({ path }) => path === wanted);
    if (!found) return undefined;
    const { bytes: _, ...origin } = hashesOf(found);
    return origin;
  };
  const checkpoint = find(weights.checkpoint);
  const vae = find(weights.vae);
  return checkpoint && { checkpoint, ...(vae ? { vae } : {}) };
}

const hashesOf = ({ path, name = basename(path), size, sha256 }: Hashed): WeightHashes => ({
  ...{ file: name, bytes: size, sha256, autoV1: autoV1(path) },
});

type Hashed = WeightFile & { readonly sha256: string };

async function hashed(
  directory: string,
  weights: WeightFiles,
  again: boolean,
  onRead: OnRead,
): Promise<Hashed[]> {
  const files: Hashed[] = [];
  for (const file of weights.files) {
    if (again || file.sha256 === undefined) onRead(file.path, file.size);
    const sha256 = again ? await hashFile(file.path) : (file.sha256 ?? (await hashFile(file.path)));
    if (file.sha256 !== undefined && file.sha256 !== sha256)
      throw changed(file.path, directory, 'its bytes have another hash');
    files.push({ ...file, sha256 });
  }
  if (weights.files.some(({ sha256 }) => sha256 === undefined))
    try {
      writeWeightFiles(directory, { ...weights, files });
    } catch {
      // A folder that cannot be written costs time at the next look, nothing else.
    }
  return files;
}

function autoV1(path: string): string {
  const block = Buffer.alloc(0x10000);
  const got = readingFile(path, (fd) => readSync(fd, block, 0, block.length, 0x100000));
  return createHash('sha256').update(block.subarray(0, got)).digest('hex').slice(0, 8);
}
