import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { hashFile } from '../../common/hash.ts';
import { changed, openWeightFiles, type WeightFile, writeWeightFiles } from './weight-files.ts';

/** Hashes of a file of weights as the tools around Stable Diffusion name models by them. */
export interface WeightHashes {
  /** Its name without folders. */
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 of all of it, in hex; its first ten digits are what A1111 and model sites call AutoV2. */
  readonly sha256: string;
  /** A1111's older hash (AutoV1): eight digits of SHA-256 over 64 KB from 1 MB on. */
  readonly autoV1: string;
}

/**
 * Hashes of the files that hold a base's weights where they are not its own. What was read once is remembered in the
 * base, for as long as the files stay what they were.
 * @param again read every byte even so, and hold the file against what is remembered
 * @throws ParaError `base` for a file that is gone or was changed
 */
export async function weightHashes(directory: string, again = false): Promise<WeightHashes[]> {
  const weights = openWeightFiles(directory);
  if (!weights) return [];
  const files: WeightFile[] = [];
  for (const file of weights.files) {
    const sha256 = again ? await hashFile(file.path) : (file.sha256 ?? (await hashFile(file.path)));
    if (file.sha256 !== undefined && file.sha256 !== sha256) throw changed(file.path, directory);
    files.push({ ...file, sha256 });
  }
  if (weights.files.some(({ sha256 }) => sha256 === undefined))
    try {
      writeWeightFiles(directory, { ...weights, files });
    } catch {
      // A folder that cannot be written costs time at the next look, nothing else.
    }
  return files.map(({ path, size, sha256 }) => ({
    ...{ file: basename(path), bytes: size, sha256: sha256!, autoV1: autoV1(path) },
  }));
}

function autoV1(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const block = Buffer.alloc(0x10000);
    const got = readSync(fd, block, 0, block.length, 0x100000);
    return createHash('sha256').update(block.subarray(0, got)).digest('hex').slice(0, 8);
  } finally {
    closeSync(fd);
  }
}
