import { randomBytes } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { diskError } from '../common/files.ts';
import { isAlive, type ProcessMark, thisProcess } from './process-life.ts';

/** What a lock file holds. The token is drawn anew each time, so that no two locks ever read alike. */
export interface Holder extends ProcessMark {
  readonly token: string;
}

const isMissing = (cause: unknown) => (cause as NodeJS.ErrnoException).code === 'ENOENT';
const isThere = (cause: unknown) => (cause as NodeJS.ErrnoException).code === 'EEXIST';

/** Who wrote a lock file, alive or not; `undefined` where there is none. A damaged one was written by nobody alive. */
export function readHolder(path: string): Holder | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw diskError(cause, path);
  }
  try {
    const { pid, start, boot, token } = JSON.parse(text) as Holder;
    if (typeof pid === 'number' && typeof token === 'string' && /^[0-9a-f]{16}$/.test(token))
      return { pid, start, boot, token };
  } catch {
    // Torn by a power cut.
  }
  return { pid: -1, start: '', boot: 'damaged', token: '0'.repeat(16) };
}

/** The living holder of a lock file, or `undefined`. */
export function lockHolder(path: string): Holder | undefined {
  const holder = readHolder(path);
  return holder && isAlive(holder) ? holder : undefined;
}

/** Makes the file with its whole content in one step. @returns false where one is there already */
function create(path: string, content: string): boolean {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    writeFileSync(temporary, content, { flag: 'wx' });
    try {
      linkSync(temporary, path);
    } catch (cause) {
      // Missing: somebody who tidied up after the dead took the temporary file for one of theirs.
      if (isThere(cause) || isMissing(cause)) return false;
      // A file system without hard links: exclusive creation is all there is.
      if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EMLINK'].includes((cause as NodeJS.ErrnoException).code ?? ''))
        throw cause;
      writeFileSync(path, content, { flag: 'wx' });
    }
    return true;
  } catch (cause) {
    if (isThere(cause)) return false;
    throw diskError(cause, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Says of a living holder that it has lost its right to what is locked. */
type IsOver = (holder: Holder) => boolean;

/**
 * Tries for a lock once. A dead holder's file is replaced by whoever holds the lock named after that file's token:
 * tokens never come again, so the right to replace one file is given to one process at a time, and while it is held
 * the file does not change. Reading it once more under that right tells whether somebody came before.
 * @returns whether the lock is held now; or the living holder
 */
function attempt(path: string, mine: Holder, isOver: IsOver): Holder | boolean {
  const content = JSON.stringify(mine);
  if (create(path, content)) return true;
  const holder = readHolder(path);
  if (!holder) return false;
  if (isAlive(holder) && !isOver(holder)) return holder;
  const right = `${path}.${holder.token}`;
  const got = attempt(right, mine, () => false);
  if (got !== true) return got;
  if (readHolder(path)?.token !== holder.token) {
    rmSync(right, { force: true });
    return false;
  }
  renameSync(right, path);
  sweep(path);
  return true;
}

/** Removes rights to replace files that are long replaced, left by processes that were killed over it. */
function sweep(path: string): void {
  const stem = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path)))
    if (name.startsWith(stem) && /^(\.[0-9a-f]{16})+$/.test(name.slice(stem.length - 1)))
      rmSync(join(dirname(path), name), { force: true });
}

/** Gives a lock back. */
export interface Unlock {
  (): void;
  /** Whether the lock is still this one's: another may have taken it from one who was silent. */
  readonly isHeld: () => boolean;
}

/**
 * Takes the lock file at `path` for this process; a lock of a dead process is replaced. Works by the creation and
 * renaming of files alone, which network file systems carry out in one step as well; among several machines it does
 * not lock, since no machine knows the processes of another.
 * @param what names what is locked, for the message
 * @param isOver tells of a living holder whose lock may be taken all the same; it asks `isHeld` before it goes on
 * @throws ParaError `locked` naming the process that holds it
 */
export function takeLock(path: string, what = 'this run', isOver: IsOver = () => false): Unlock {
  for (let tries = 0; tries < 20; tries++) {
    const mine: Holder = { ...thisProcess(), token: randomBytes(8).toString('hex') };
    const got = attempt(path, mine, isOver);
    if (got === true) {
      const isHeld = () => readHolder(path)?.token === mine.token;
      const unlock = () => {
        if (isHeld()) rmSync(path, { force: true });
      };
      return Object.assign(unlock, { isHeld });
    }
    if (got)
      throw new ParaError('locked', `Another process (${got.pid}) is working on ${what}`, {
        where: path,
        hint: 'wait until it ends, or stop it; the lock is not stale',
      });
  }
  throw new ParaError('locked', `${what} could not be locked`, { where: path, hint: 'try again' });
}

const sleep = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Runs `work` under a lock that is held for moments only, and waits for it so long. @throws ParaError `locked` */
export function underLock<T>(path: string, what: string, work: () => T): T {
  for (let tries = 0; ; tries++) {
    let unlock: () => void;
    try {
      unlock = takeLock(path, what);
    } catch (cause) {
      if (tries >= 2000 || !(cause instanceof ParaError && cause.code === 'locked')) throw cause;
      sleep(1 + Math.random() * 4);
      continue;
    }
    try {
      return work();
    } finally {
      unlock();
    }
  }
}
