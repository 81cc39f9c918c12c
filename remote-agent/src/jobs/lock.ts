import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { ParaError } from '../common/errors.ts';
import { diskError } from '../common/files.ts';

/** Who holds a lock: a process is told from a later one with the same pid by its start time and the boot it ran in. */
interface Holder {
  readonly pid: number;
  readonly start: string;
  readonly boot: string;
}

/** Start time of a process in clock ticks since boot (Linux), or '' where the system does not tell. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    // No /proc on this system, or no such process: liveness falls back to the pid alone.
    return '';
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Not Linux.
    return '';
  }
}

/** Whether the process that wrote this still runs. */
export function isAlive(holder: Holder): boolean {
  if (holder.boot !== bootId()) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return startOf(holder.pid) === holder.start;
}

/** The living holder of a lock file, or `undefined`. */
export function lockHolder(path: string): Holder | undefined {
  try {
    const holder = JSON.parse(readFileSync(path, 'utf8')) as Holder;
    return isAlive(holder) ? holder : undefined;
  } catch {
    // Missing, or torn by a writer that died: nobody holds it.
    return undefined;
  }
}

/**
 * Takes the lock file at `path` for this process; a lock of a dead process is replaced.
 * @returns a function that gives it back
 * @throws ParaError `locked` naming the process that holds it
 */
export function takeLock(path: string): () => void {
  const mine: Holder = { pid: process.pid, start: startOf(process.pid), boot: bootId() };
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(path, JSON.stringify(mine), { flag: 'wx' });
      return () => rmSync(path, { force: true });
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      // The file was made before the disk was found to be full.
      if (code === 'ENOSPC' || code === 'EDQUOT') rmSync(path, { force: true });
      if (code !== 'EEXIST') throw diskError(cause, path);
      const holder = lockHolder(path);
      if (holder)
        throw new ParaError('locked', `Another trainer (process ${holder.pid}) is working on this run`, {
          where: path,
          hint: 'wait until it ends, or stop it; the lock is not stale',
        });
      rmSync(path, { force: true });
    }
  }
  throw new ParaError('locked', 'The run could not be locked', { where: path, hint: 'try again' });
}
