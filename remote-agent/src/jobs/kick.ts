import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { idleLock, readIdleCommand } from './idle-command.ts';
import { runsFolder } from './job.ts';
import { lockHolder } from './lock.ts';
import { loginRules } from './login.ts';
import { type QueueState, slotLock, tidyQueue } from './queue.ts';
import { readQueue } from './queue-file.ts';
import { slotsFor } from './slots.ts';

/** What was done for the queue. */
export interface Kick extends QueueState {
  /** Slots for which a supervisor was started. */
  readonly started: readonly string[];
}

/**
 * Starts supervisors where jobs wait or lost theirs, and one with nothing to do where an idle command is set and nobody
 * waits to run it (nothing was trained since, the machine started anew, or whoever waited was killed). Each is a session
 * of its own and outlives its starter.
 * @param agent bundle they are started from
 */
export async function kick(agent: string): Promise<Kick> {
  const state = tidyQueue();
  const slots = new Set(state.orphaned);
  for (const device of new Set(state.waiting.map((item) => item.device)))
    for (const slot of await slotsFor(device)) slots.add(slot);
  const started = [...slots].filter((slot) => !lockHolder(slotLock(slot)));
  for (const slot of started) await startSupervisor(slot, agent);
  if (readIdleCommand() && readQueue().length === 0 && !lockHolder(idleLock()))
    await startSupervisor('cpu', agent);
  return { ...state, started };
}

/** Starts the supervisor of a slot, which outlives its starter. */
export async function startSupervisor(slot: string, agent: string): Promise<void> {
  const command = [process.execPath, agent, 'supervise', slot];
  // A scope is no part of the login; without linger it ends with the user's last login all the same.
  if ((await loginRules()).killsUserProcesses) startInScope(slot, command);
  else start(slot, command);
}

function start(slot: string, command: readonly string[], onFailure?: () => void): void {
  const home = dirname(runsFolder());
  const folder = join(home, 'logs');
  mkdirSync(folder, { recursive: true });
  const log = openSync(join(folder, `supervisor-${slot}.txt`), 'a', 0o600);
  const child = spawn(command[0]!, command.slice(1), {
    cwd: home,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  child.on('error', () => onFailure?.());
  child.on('exit', (code) => {
    if (code !== 0) onFailure?.();
  });
  child.unref();
}

/** Where no scope can be made (no user manager for this login), a supervisor that ends with the login beats none. */
function startInScope(slot: string, command: readonly string[]): void {
  start(slot, ['systemd-run', '--user', '--scope', '--quiet', ...command], () => {
    if (!lockHolder(slotLock(slot))) start(slot, command);
  });
}
