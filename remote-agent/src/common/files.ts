import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ParaError } from './errors.ts';

/**
 * Replaces `path` by `data` in one step: readers see the old bytes or the new ones, never a half-written file,
 * and after a power cut the same holds (file and directory are synced).
 * @throws ParaError `disk` when the disk is full or the directory cannot be written; the old file stays.
 */
export function writeFileAtomic(path: string, data: Uint8Array | string, mode = 0o666): void {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  makeFolder(dirname(path));
  try {
    const fd = openSync(temporary, 'wx', mode);
    try {
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      writeAll(fd, bytes);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (cause) {
    try {
      rmSync(temporary, { force: true });
    } catch {
      // The first failure is the one to tell.
    }
    throw diskError(cause, path);
  }
}

/** Reads of a file in places, and closes it whatever comes. @throws what the file system throws */
export function readingFile<T>(path: string, read: (fd: number) => T): T {
  const fd = openSync(path, 'r');
  try {
    return read(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes a folder and those above it where they are missing.
 * @param mode of those that are made (default: as the system makes them)
 * @throws ParaError `disk`
 */
export function makeFolder(path: string, mode?: number): void {
  try {
    mkdirSync(path, { recursive: true, ...(mode === undefined ? {} : { mode }) });
  } catch (cause) {
    throw diskError(cause, path);
  }
}

/** Writes all bytes: a disk that is nearly full takes a part of them first. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}

/** Removes what writers that were killed left behind in `directory` and its folders; call it under the folder's lock. */
export function removeUnfinished(directory: string): void {
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }))
    if (/^\.[0-9a-f]{12}\.tmp$/.test(basename(name))) rmSync(join(directory, name), { force: true });
}

/** Makes a rename in `directory` survive a power cut. */
function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return; // directories cannot be opened there
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Turns a file-system failure into a ParaError that says what to do. */
export function diskError(cause: unknown, path: string): unknown {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const hints: Record<string, { readonly what: string; readonly hint: string }> = {
    ENOSPC: {
      what: 'The disk is full',
      hint: 'free some space, then repeat; nothing written before is lost',
    },
    EDQUOT: {
      what: 'The disk quota is used up',
      hint: 'free some space, then repeat; nothing written before is lost',
    },
    EFBIG: {
      what: 'The file is larger than files may be here',
      hint: 'raise the limit (ulimit -f), or choose another disk',
    },
    EACCES: { what: 'No permission to write here', hint: 'choose another folder or change its permissions' },
    EPERM: { what: 'No permission to write here', hint: 'choose another folder or change its permissions' },
    EROFS: { what: 'The file system is read-only', hint: 'choose another folder' },
    EISDIR: { what: 'A folder stands where this file should go', hint: 'choose another path' },
    ENOTEMPTY: { what: 'A folder stands where this file should go', hint: 'choose another path' },
    EEXIST: { what: 'A part of this path is a file, not a folder', hint: 'choose another path' },
    ENOTDIR: { what: 'A part of this path is a file, not a folder', hint: 'choose another path' },
  };
  const known = code ? hints[code] : undefined;
  if (!known) return cause;
  return new ParaError('disk', known.what, { where: path, hint: known.hint, cause });
}
