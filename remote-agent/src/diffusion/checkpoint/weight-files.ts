import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { ParaError } from '../../common/errors.ts';
import { isValid } from '../../protocol/validate.ts';

/** The file of a base that tells which files elsewhere hold its weights. */
export const weightFilesName = 'weights.json';

const WeightFile = Type.Object({
  path: Type.String(),
  size: Type.Integer(),
  /** When it was last written, in ms since 1970. */
  modified: Type.Number(),
  fingerprint: Type.String(),
});

/** A file that holds weights of a base and is not the base's own. */
export type WeightFile = Static<typeof WeightFile>;

const WeightFiles = Type.Object({
  files: Type.Array(WeightFile),
  /** Folder of each part's weights. */
  parts: Type.Record(Type.String(), Type.String()),
});
export type WeightFiles = Static<typeof WeightFiles>;

const samples = 64;
const sampleSize = 1 << 16;

/**
 * SHA-256 (hex) over a file's size and blocks spread evenly from its start to its end: tells fine-tunes of one model
 * apart without reading gigabytes.
 */
export function fingerprint(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const hash = createHash('sha256').update(`${size}\n`);
    const block = Buffer.allocUnsafe(sampleSize);
    const last = Math.max(0, size - sampleSize);
    const count = Math.min(samples, Math.ceil(size / sampleSize));
    for (let i = 0; i < count; i++) {
      const at = count === 1 ? 0 : Math.floor((i * last) / (count - 1));
      hash.update(block.subarray(0, readSync(fd, block, 0, sampleSize, at)));
    }
    return hash.digest('hex');
  } finally {
    closeSync(fd);
  }
}

/** What is remembered of a file of weights. */
export function weightFile(path: string): WeightFile {
  const { size, mtimeMs } = statSync(path);
  return { path, size, modified: mtimeMs, fingerprint: fingerprint(path) };
}

/**
 * Reads which files elsewhere a base needs, and makes sure that they are what they were when it was imported.
 * @returns undefined for a base that holds its weights itself
 * @throws ParaError `base` for a file that is gone or was changed
 */
export function openWeightFiles(directory: string): WeightFiles | undefined {
  const path = join(directory, weightFilesName);
  if (!existsSync(path)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // Reported below.
  }
  if (!isValid(WeightFiles, value))
    throw new ParaError('base', `The file ${weightFilesName} of the base is damaged`, {
      where: path,
      hint: 'delete this base and import the checkpoint again',
    });
  for (const file of value.files) check(file, directory);
  return value;
}

function check(file: WeightFile, directory: string): void {
  let now: Stats;
  try {
    now = statSync(file.path);
  } catch (cause) {
    throw new ParaError('base', 'The checkpoint of this base is not where it was', {
      where: file.path,
      hint: `put it back, or delete the base (${directory}) and import the checkpoint from its new place`,
      cause,
    });
  }
  if (now.size === file.size && now.mtimeMs === file.modified) return;
  // Copied back or touched is no change.
  if (now.size === file.size && fingerprint(file.path) === file.fingerprint) return;
  throw new ParaError('base', 'The checkpoint of this base was changed after it was imported', {
    where: file.path,
    hint: `bring the former file back, or delete the base (${directory}) and import the checkpoint again`,
  });
}
