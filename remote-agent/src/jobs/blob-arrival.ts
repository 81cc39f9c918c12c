import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ParaError } from '../common/errors.ts';
import { diskError, writeAll } from '../common/files.ts';
import { hashFile } from '../common/hash.ts';
import { blobPath, missingBlobs, renew } from './blob-store.ts';
import { takeLock, type Unlock } from './lock.ts';

/** Gives the bytes of a blob from an offset on. */
export type BlobParts = (offset: number) => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;

/**
 * Takes a blob that arrives in parts. What came before a cut stays and is gone on from; nothing is seen under its
 * hash before it is whole and right. Where another process receives the same blob, this one waits for it, and goes on
 * in its place once it was silent for too long: its link may be dead without anybody having told it.
 * @param silence of another process, in ms
 * @throws ParaError `blob` when the bytes are not those of the hash or others went on in this one's place, `disk`
 */
export async function receiveBlob(
  sha256: string,
  size: number,
  parts: BlobParts,
  silence = 10_000,
): Promise<void> {
  const target = blobPath(sha256);
  const partial = `${target}.part`;
  const unlock = await turnAt(sha256, silence);
  if (!unlock) {
    // The other end hears that nothing is missing any more.
    await parts(size);
    return;
  }
  try {
    let offset = existsSync(partial) ? statSync(partial).size : 0;
    if (offset > size) {
      truncateSync(partial, 0);
      offset = 0;
    }
    const fd = openSync(partial, 'a', 0o600);
    try {
      for await (const part of await parts(offset)) {
        expectHeld(unlock, sha256);
        writeAll(fd, part);
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    const right = (await hashInSight(partial)) === sha256;
    expectHeld(unlock, sha256);
    if (!right) {
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

/** Waits for the right to receive a blob; `undefined` once it is here. */
async function turnAt(sha256: string, silence: number): Promise<Unlock | undefined> {
  const partial = `${blobPath(sha256)}.part`;
  let [seen, since] = ['', performance.now()];
  while (missingBlobs([sha256]).length > 0) {
    const { size, mtimeMs } = statSync(partial, { throwIfNoEntry: false }) ?? {};
    try {
      return takeLock(`${partial}.lock`, 'a file that is sent', ({ token }) => {
        const now = `${token} ${size} ${mtimeMs}`;
        if (now !== seen) [seen, since] = [now, performance.now()];
        return performance.now() - since >= silence;
      });
    } catch (cause) {
      if (!(cause instanceof ParaError && cause.code === 'locked')) throw cause;
    }
    await sleep(Math.min(100, silence / 4));
  }
  return undefined;
}

/** Hashes a part that is complete, so that those who wait see that somebody is at it. */
async function hashInSight(partial: string): Promise<string> {
  const sign = setInterval(() => renew(partial), 1000);
  try {
    return await hashFile(partial);
  } finally {
    clearInterval(sign);
  }
}

function expectHeld(unlock: Unlock, sha256: string): void {
  if (unlock.isHeld()) return;
  throw new ParaError('blob', 'This file is sent over another connection now', {
    where: sha256,
    hint: 'send it again: what has arrived is kept',
  });
}
