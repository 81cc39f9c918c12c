import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { diskError, writeAll } from '../common/files.ts';
import { hashFile } from '../common/hash.ts';
import { runsFolder } from './job.ts';
import { takeLock } from './lock.ts';

/** Folder of all blobs, each under its SHA-256. */
function blobsFolder(): string {
  const folder = join(dirname(runsFolder()), 'blobs');
  mkdirSync(folder, { recursive: true });
  return folder;
}

export const blobPath = (sha256: string): string => join(blobsFolder(), sha256);
export const hasBlob = (sha256: string): boolean => existsSync(blobPath(sha256));

/** SHA-256 of the first `size` bytes of a file. */
export const hashOf = (path: string, size?: number): Promise<string> =>
  hashFile(path, size === undefined ? {} : { size });

/**
 * Takes a blob that arrives in parts. What came before a cut stays and is gone on from; nothing is seen under its
 * hash before it is whole and right.
 * @param parts gives the bytes from an offset on
 * @throws ParaError `blob` when the bytes are not those of the hash, `disk`
 */
export async function receiveBlob(
  sha256: string,
  size: number,
  parts: (offset: number) => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>,
): Promise<void> {
  const target = blobPath(sha256);
  const partial = `${target}.part`;
  if (existsSync(target)) {
    await parts(size);
    return;
  }
  const unlock = takeLock(`${partial}.lock`);
  try {
    let offset = existsSync(partial) ? statSync(partial).size : 0;
    if (offset > size) {
      truncateSync(partial, 0);
      offset = 0;
    }
    const fd = openSync(partial, 'a', 0o600);
    try {
      for await (const part of await parts(offset)) writeAll(fd, part);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if ((await hashOf(partial)) !== sha256) {
      rmSync(partial, { force: true });
      throw new ParaError('blob', 'The bytes that arrived are not those that were announced', {
        where: sha256,
        hint: 'send them again; was the file changed while it was sent?',
      });
    }
    renameSync(partial, target);
  } catch (cause) {
    throw diskError(cause, target);
  } finally {
    unlock();
  }
}
