import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasDigest } from '../../common/download.ts';
import { ParaError } from '../../common/errors.ts';
import { diskError, makeFolder } from '../../common/files.ts';
import { cacheFolder } from './cache.ts';
import { digestOf } from './fetch.ts';
import type { HostLock } from './lock.ts';
import { packFiles } from './pack.ts';
import type { PlainFile } from './request.ts';

/** What this program sends to hosts: built beside its own bundle. */
export interface HostPackage {
  readonly folder: string;
  readonly version: string;
  readonly agent: PlainFile;
  readonly bases: PlainFile;
  /** Paths of the shipped bases' files, in the order in which they are packed. */
  readonly baseFiles: readonly string[];
  readonly setup: PlainFile;
  readonly lock: HostLock;
}

/** Folder of the package beside the bundle of the caller. */
export const packageFolder = (): string => fileURLToPath(new URL('./host', import.meta.url));

/** @throws ParaError `host` when it was not built */
export function openHostPackage(folder = packageFolder()): HostPackage {
  const path = join(folder, 'manifest.json');
  if (!existsSync(path))
    throw new ParaError('host', 'The package for hosts is not built', {
      where: path,
      hint: 'run "npm run build"',
    });
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  return { ...read('manifest.json'), lock: read('host-lock.json'), folder };
}

const isPart = async (path: string, part: PlainFile): Promise<boolean> =>
  existsSync(path) && hasDigest(path, digestOf(part));

/**
 * Where a part of the package lies. A program that has the shipped bases for its own use has no second, packed copy of
 * them: they are packed when a host lacks them, into the cache.
 * @throws ParaError `base` where they are not what was shipped; `disk`
 */
export async function partPath(own: HostPackage, part: PlainFile): Promise<string> {
  const path = join(own.folder, part.file);
  if (part.file !== own.bases.file || existsSync(path)) return path;
  const packed = join(cacheFolder(), part.file);
  if (await isPart(packed, part)) return packed;
  makeFolder(cacheFolder(), 0o700);
  const cwd = join(own.folder, '../../bases');
  const draft = `${packed}.${process.pid}`;
  try {
    await packFiles(cwd, own.baseFiles, draft);
    if (!(await isPart(draft, part))) throw changed(cwd);
    renameSync(draft, packed);
    return packed;
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw isMissing ? changed(cwd, cause) : diskError(cause, draft);
  } finally {
    rmSync(draft, { force: true });
  }
}

const changed = (where: string, cause?: unknown) =>
  new ParaError('base', 'The bases that came with this program were changed', {
    where,
    hint: 'install the program again; bases of your own belong elsewhere, see "para base import"',
    ...(cause === undefined ? {} : { cause }),
  });
