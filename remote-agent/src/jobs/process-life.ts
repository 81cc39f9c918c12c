import { readFileSync } from 'node:fs';

/** A process, told from a later one with the same pid by its start time and the boot it ran in. */
export interface ProcessMark {
  readonly pid: number;
  /** Clock ticks since boot, or '' where the system does not tell. */
  readonly start: string;
  readonly boot: string;
}

/** Start time of a process (Linux), '' where the system does not tell; `undefined` when it is dead but not yet reaped. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // In a container whose first process reaps nothing, a killed orphan stays in the table for ever.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : (fields[19] ?? '');
  } catch {
    // No /proc on this system, or no such process: liveness falls back to the pid alone.
    return '';
  }
}

/**
 * What tells one boot of this machine from the next. `PARA_BOOT_ID_FILE` names another file to read it from, for
 * systems that keep it elsewhere.
 */
export function bootId(): string {
  try {
    return readFileSync(process.env.PARA_BOOT_ID_FILE || '/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Not Linux.
    return '';
  }
}

/** Marks this process. */
export const thisProcess = (): ProcessMark => ({
  pid: process.pid,
  start: startOf(process.pid) ?? '',
  boot: bootId(),
});

/** Whether the process so marked still runs. */
export function isAlive(mark: ProcessMark): boolean {
  if (mark.boot !== bootId()) return false;
  try {
    process.kill(mark.pid, 0);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return startOf(mark.pid) === mark.start;
}
