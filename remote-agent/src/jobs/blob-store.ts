import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runsFolder } from './job.ts';
import { lockHolder, underLock } from './lock.ts';

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

/** Keeps a blob, or the part of one, as if it had just come. @returns whether it is there */
export function renew(path: string): boolean {
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

/** Whether bytes of a blob are just arriving. */
export const isReceiving = (): boolean =>
  readdirSync(blobsFolder()).some(
    (name) => name.endsWith('.part.lock') && lockHolder(join(blobsFolder(), name)) !== undefined,
  );
