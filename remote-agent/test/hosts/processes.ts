// Processes of this machine, by /proc.
import { readdirSync, readFileSync, statSync } from 'node:fs';

/** Every process of this machine. */
export const allPids = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

function parentOf(pid: number): number | undefined {
  try {
    return Number(
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[1],
    );
  } catch {
    return undefined; // it ended meanwhile
  }
}

/** Children, grandchildren and so on of a process. */
export function descendantsOf(pid: number): number[] {
  const parents = new Map(allPids().map((child) => [child, parentOf(child)]));
  const found = [pid];
  for (const parent of found) for (const [child, its] of parents) if (its === parent) found.push(child);
  return found.slice(1);
}

/** The words a process was started with; none where it ended meanwhile. */
export function wordsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

/** The agents among the descendants of a process that were started for one of these. */
export const agentsUnder = (pid: number, ...what: readonly ('serve' | 'blobs')[]): number[] =>
  descendantsOf(pid).filter((child) =>
    wordsOf(child).some(
      (word, i, words) => word.endsWith('agent.js') && what.some((w) => w === words[i + 1]),
    ),
  );

/** Every process of a user. */
export const processesOf = (uid: number): number[] =>
  allPids().filter((pid) => {
    try {
      return statSync(`/proc/${pid}`).uid === uid;
    } catch {
      return false;
    }
  });

/** Whether it still runs (a zombie does not). */
export function isRunning(pid: number): boolean {
  try {
    return !/^.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

export function killHard(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

/** Kills those whose command line is as told. @returns how many they were */
export function killAmong(pids: readonly number[], which: (command: string) => boolean): number {
  const found = pids.filter((pid) => which(wordsOf(pid).join(' ')));
  found.forEach(killHard);
  return found.length;
}

/** Kills the processes of an sshd that carry links; what they started lives on. @returns how many they were */
export const cutLinks = (sshd: number): number =>
  killAmong(descendantsOf(sshd), (command) => command.startsWith('sshd:'));
