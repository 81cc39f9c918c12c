import { createHash } from 'node:crypto';
import { existsSync, fstatSync, readFileSync, readSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { headerLimit } from '../../adapters/safetensors-header.ts';
import { ParaError } from '../../common/errors.ts';
import { readingFile, writeFileAtomic } from '../../common/files.ts';
import { isValid } from '../../protocol/validate.ts';
import { paraHome } from '../base-places.ts';

/** The file of a base that tells which files that are not its own hold its weights. */
export const weightFilesName = 'weights.json';

const WeightFile = Type.Object({
  /** Absolute, or relative to the base's folder where the file lies in it. */
  path: Type.String(),
  size: Type.Integer(),
  /** What it was called where that was a link, as download caches make them. */
  name: Type.Optional(Type.String()),
  /** When it was last written, in ms since 1970. */
  modified: Type.Number(),
  /** SHA-256 of the safetensors header, its length included. */
  header: Type.String(),
  fingerprint: Type.String(),
  /** SHA-256 of the whole file, once somebody asked for it. */
  sha256: Type.Optional(Type.String()),
});

/** A file that holds weights of a base as it was when the base was imported. */
export type WeightFile = Static<typeof WeightFile>;

const WeightFiles = Type.Object({
  files: Type.Array(WeightFile),
  /** Folder of each part's weights, named as the files are. */
  parts: Type.Record(Type.String(), Type.String()),
  /**
   * By the SHA-256 of a graph file: that of the same graph with fingerprints in place of the names of its files. The
   * base's hash is made of these, so that a checkpoint under another name is the same base.
   */
  graphs: Type.Record(Type.String(), Type.String()),
  /** The checkpoint in one file that the base was made of, and the VAE that replaces its own. */
  checkpoint: Type.Optional(Type.String()),
  vae: Type.Optional(Type.String()),
});
export type WeightFiles = Static<typeof WeightFiles>;

const samples = 64;
const sampleSize = 1 << 16;

/**
 * SHA-256 (hex) over a file's size and blocks spread evenly from its start to its end: tells fine-tunes of one model
 * apart without reading gigabytes.
 */
function fingerprint(fd: number): string {
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
}

/** SHA-256 (hex) of a safetensors file's header; of its first bytes where what stands there is none any more. */
function headerHash(fd: number): string {
  const start = Buffer.alloc(8);
  readSync(fd, start, 0, 8, 0);
  const length = Math.min(Number(start.readBigUInt64LE()), headerLimit, fstatSync(fd).size);
  const text = Buffer.alloc(length);
  const got = readSync(fd, text, 0, length, 8);
  return createHash('sha256').update(start).update(text.subarray(0, got)).digest('hex');
}

/** What is remembered of a file of weights. @param name what it was called by whoever gave it */
export function weightFile(path: string, name = basename(path)): WeightFile {
  const { size, mtimeMs } = statSync(path);
  return {
    ...{ path, size, modified: mtimeMs },
    ...(name === basename(path) ? {} : { name }),
    ...readingFile(path, (fd) => ({ header: headerHash(fd), fingerprint: fingerprint(fd) })),
  };
}

/**
 * Reads which files that are not its own a base needs, and makes sure that they are what they were when it was
 * imported: size and header always, blocks of the file where its time differs.
 * @returns undefined for a base that holds its weights itself; paths are absolute
 * @throws ParaError `base` for a file that is gone or was changed, or lies where a base may not take it from
 */
export function openWeightFiles(directory: string): WeightFiles | undefined {
  const found = readWeightFiles(directory);
  if (!found) return undefined;
  const weights = renamed(found, (path) => resolve(directory, path));
  checkInside(directory, weights);
  checkWeightFiles(directory, weights);
  return weights;
}

/**
 * Makes sure that files are what they were when the base was imported.
 * @throws ParaError `base` for a file that is gone or was changed
 */
export function checkWeightFiles(directory: string, { files }: WeightFiles): void {
  for (const file of files) check(file, directory);
}

/**
 * Only what an import wrote here may point out of its folder: a base that came from elsewhere could make any file of
 * this machine its weights.
 */
function checkInside(directory: string, { files, parts }: WeightFiles): void {
  const outside = [...files.map(({ path }) => path), ...Object.values(parts)].find(
    (path) => !path.startsWith(directory + sep),
  );
  if (outside === undefined) return;
  const own = join(paraHome(), 'bases');
  if (existsSync(own) && realpathSync(dirname(directory)) === realpathSync(own)) return;
  throw new ParaError('base', 'The base takes its weights from outside its folder', {
    where: outside,
    hint: 'import the checkpoint itself: para base import FILE.safetensors',
  });
}

/** The same with other paths. @param file the new path of a file @param folder that of a folder */
export function renamed(
  weights: WeightFiles,
  file: (path: string) => string,
  folder: (path: string) => string = file,
): WeightFiles {
  const { files, parts, checkpoint, vae } = weights;
  return {
    ...weights,
    files: files.map((entry) => ({ ...entry, path: file(entry.path) })),
    parts: Object.fromEntries(Object.entries(parts).map(([part, path]) => [part, folder(path)])),
    ...(checkpoint === undefined ? {} : { checkpoint: file(checkpoint) }),
    ...(vae === undefined ? {} : { vae: file(vae) }),
  };
}

function readWeightFiles(directory: string): WeightFiles | undefined {
  const path = join(directory, weightFilesName);
  if (!existsSync(path)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // Reported below.
  }
  if (isValid(WeightFiles, value)) return value;
  throw new ParaError('base', `The file ${weightFilesName} of the base is damaged`, {
    where: path,
    hint: 'delete this base and import the checkpoint again',
  });
}

/** Writes them into a base's folder. @param weights paths in that folder become relative to it */
export function writeWeightFiles(directory: string, weights: WeightFiles): void {
  const inside = (path: string) =>
    path.startsWith(directory + sep) ? relative(directory, path).replaceAll('\\', '/') : path;
  writeFileAtomic(join(directory, weightFilesName), `${JSON.stringify(renamed(weights, inside), null, 2)}\n`);
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
  if (now.size !== file.size)
    throw changed(file.path, directory, `${now.size} bytes now, ${file.size} when it was imported`);
  const how = readingFile(file.path, (fd) => {
    if (headerHash(fd) !== file.header) return 'its header is another';
    // Copied back or touched is no change.
    return now.mtimeMs === file.modified || fingerprint(fd) === file.fingerprint
      ? undefined
      : 'its weights are others';
  });
  if (how) throw changed(file.path, directory, how);
}

/** What is said of a file whose bytes are others than those that were imported. @param how it differs */
export const changed = (path: string, directory: string, how: string): ParaError =>
  new ParaError('base', 'The checkpoint of this base was changed after it was imported', {
    where: `${path}: ${how}`,
    hint: `bring the former file back, or delete the base (${directory}) and import the checkpoint again`,
  });
