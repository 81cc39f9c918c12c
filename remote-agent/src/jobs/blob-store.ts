import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { diskError, writeAll } from '../common/files.ts';
import { hashFile } from '../common/hash.ts';
import { runsFolder } from './job.ts';
import { lockHolder, takeLock, underLock } from './lock.ts';

/** Folder of all blobs, each under its SHA-256. */
function blobsFolder(): string {
  const folder = join(dirname(runsFolder()), 'blobs');
  mkdirSync(folder, { recursive: true });
  return folder;
}

export const blobPath = (sha256: string): string => join(blobsFolder(), sha256);

/** A blob waits this long for the job, adapter or base that it was sent for, in ms. */
const keptFor = 24 * 3600 * 1000;

/** Held by whoever takes blobs away, or says that they are here. */
const underBlobLock = <T>(work: () => T): T =>
  underLock(join(dirname(runsFolder()), 'blobs.lock'), 'the blobs', work);

/** Those of these hashes that have no blob here. The others are kept for whoever asked, as if they had just come. */
export const missingBlobs = (hashes: readonly string[]): string[] =>
  underBlobLock(() => hashes.filter((hash) => !renew(blobPath(hash))));

function renew(path: string): boolean {
  if (!existsSync(path)) return false;
  const now = new Date();
  utimesSync(path, now, now);
  return true;
}

/**
 * Takes away blobs that nothing names: those that were left by something that is gone, and any that nobody came for in
 * time.
 * @param left a blob of these goes unless somebody asked for it after the given time, in ms since 1970
 * @returns bytes that the disk has again; files that are linked elsewhere too are not counted
 */
export function freeBlobs(
  isNamed: (sha256: string) => boolean,
  left: { readonly hashes: ReadonlySet<string>; readonly since: number },
  now = Date.now(),
): number {
  return underBlobLock(() => {
    let freed = 0;
    for (const name of readdirSync(blobsFolder())) {
      const path = join(blobsFolder(), name);
      const [, sha256 = '', part] = /^([0-9a-f]{64})(\.part)?$/.exec(name) ?? [];
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (!sha256 || !stat || isNamed(sha256) || (part && lockHolder(`${path}.lock`))) continue;
      const isLeft = left.hashes.has(sha256) && stat.mtimeMs <= left.since;
      if (!isLeft && now - stat.mtimeMs < keptFor) continue;
      rmSync(path, { force: true });
      if (stat.nlink === 1) freed += stat.size;
    }
    return freed;
  });
}

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
  if (missingBlobs([sha256]).length === 0) {
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
    if ((await hashFile(partial)) !== sha256) {
      rmSync(partial, { force: true });
      throw new ParaError('blob', 'The bytes that arrived are not those that were announced', {
        where: sha256,
        hint: 'send them again; was the file changed while it was sent?',
      });
    }
    renew(partial);
    renameSync(partial, target);
  } catch (cause) {
    throw diskError(cause, target);
  } finally {
    unlock();
  }
}
