// Processes of a host's folder, by /proc.
import { readdirSync, readFileSync } from 'node:fs';
import { isRunning, killHard } from '../hosts/processes.ts';

export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it ended meanwhile
  }
}

/** Living processes that work in this folder (their PARA_HOME). */
export function processesIn(home: string): FoundProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => read(`/proc/${name}/environ`).split('\0').includes(`PARA_HOME=${home}`))
    .map((name) => ({
      pid: Number(name),
      command: read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim(),
    }))
    .filter(({ pid, command }) => command !== '' && isRunning(pid));
}

export const roles = {
  agent: /agent\.js (serve|blobs)/,
  supervisor: /agent\.js supervise/,
  trainer: /trainer\.js/,
} as const;

/** Kills those of some roles at once. @returns how many */
export function killRoles(home: string, ...names: (keyof typeof roles)[]): number {
  const found = processesIn(home).filter(({ command }) => names.some((name) => roles[name].test(command)));
  for (const { pid } of found) killHard(pid);
  return found.length;
}
