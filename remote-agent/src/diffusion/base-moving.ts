import { basename, dirname, join, relative, sep } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { isBaseFile } from '../protocol/names.ts';
import type { Base } from './base.ts';
import { placeFile, wantedFiles } from './base-files.ts';
import { openWeightFiles, renamed, weightFilesName, writeWeightFiles } from './checkpoint/weight-files.ts';

/** A file of a base, and its place in the folder of the base elsewhere. */
export interface MovedFile {
  readonly file: string;
  /** With forward slashes. */
  readonly path: string;
  /** SHA-256 of its bytes, where somebody computed it before. */
  readonly sha256?: string;
}

/**
 * The files that make up a base in another place: weights that lie elsewhere here come into folders of their own
 * there, called `weights`.
 * @param scratch an empty folder for what is written anew
 * @throws ParaError `base` for a file whose name cannot travel
 */
export function movedFiles(base: Base, scratch: string): MovedFile[] {
  const { directory } = base;
  const weights = openWeightFiles(directory);
  const files: MovedFile[] = wantedFiles(base)
    .map((file) => ({ file, path: relative(directory, file).replaceAll('\\', '/') }))
    .filter(({ path }) => !(weights && path === weightFilesName));
  if (weights) {
    const { file: placed, folder } = inside(directory);
    const own = new Set(files.map(({ file }) => file));
    for (const { path, sha256 } of weights.files)
      if (!own.has(path)) files.push({ file: path, path: placed(path), ...(sha256 ? { sha256 } : {}) });
    writeWeightFiles(scratch, renamed(weights, placed, folder));
    files.push({ file: join(scratch, weightFilesName), path: weightFilesName });
  }
  const odd = files.find(({ path }) => !isBaseFile(path));
  if (odd)
    throw new ParaError('base', 'The name of this file cannot be sent', {
      where: odd.file,
      hint: 'rename it: letters, digits, spaces, dots, hyphens, underscores and brackets',
    });
  return files;
}

/** Places in a base's folder, relative to it: of what lies there its own, of other folders one called `weights` each. */
function inside(directory: string): { file(path: string): string; folder(path: string): string } {
  const folders = new Map<string, string>();
  const folder = (from: string): string => {
    if (from.startsWith(directory + sep)) return relative(directory, from).replaceAll('\\', '/');
    const known = folders.get(from) ?? `weights${folders.size === 0 ? '' : `-${folders.size + 1}`}`;
    folders.set(from, known);
    return known;
  };
  return { folder, file: (path) => `${folder(dirname(path))}/${basename(path)}` };
}

/** Makes weights that lie elsewhere a base's own: they are placed in its folder by `placeFile`. */
export function takeWeights(directory: string): void {
  const weights = openWeightFiles(directory);
  if (!weights) return;
  const { file, folder } = inside(directory);
  for (const { path } of weights.files)
    if (!path.startsWith(directory + sep)) placeFile(path, join(directory, file(path)));
  writeWeightFiles(directory, renamed(weights, file, folder));
}
