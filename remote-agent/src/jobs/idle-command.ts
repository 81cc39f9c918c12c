import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { writeFileAtomic } from '../common/files.ts';
import { isReceiving } from './blob-store.ts';
import { runsFolder } from './job.ts';
import { lockHolder, takeLock } from './lock.ts';
import { changeQueue, readQueue } from './queue-file.ts';

/** What a rented machine is to do when nothing is left to do. */
export interface IdleCommand {
  /** For how long no job has waited or run, nothing was drawn, and no base or other file came. */
  readonly minutes: number;
  /** An argument vector; no shell reads it. */
  readonly command: readonly string[];
}

const home = () => dirname(runsFolder());
const file = () => join(home(), 'idle-command.json');

/** Held by whoever waits until nothing is left to do. */
export const idleLock = (): string => join(home(), 'idle.lock');

/** The command set on this machine; `undefined` where none is, or where its file was tampered with. */
export function readIdleCommand(): IdleCommand | undefined {
  if (!existsSync(file())) return undefined;
  try {
    const { minutes, command } = JSON.parse(readFileSync(file(), 'utf8')) as IdleCommand;
    if (minutes > 0 && command.length > 0 && command.every((word) => typeof word === 'string'))
      return { minutes, command };
  } catch {
    // Better no command than half of one.
  }
  return undefined;
}

/**
 * Sets or clears the command. Only a program on this machine calls it: no request of a client does.
 * @throws ParaError `settings`
 */
export function setIdleCommand(wanted: IdleCommand | undefined): void {
  if (!wanted) {
    rmSync(file(), { force: true });
    return;
  }
  if (!(wanted.minutes > 0 && wanted.minutes < 1e6) || wanted.command.length === 0)
    throw new ParaError('settings', 'The minutes or the command are missing', {
      hint: 'agent.js idle-command MINUTES -- COMMAND [ARGUMENT...]',
    });
  writeFileAtomic(file(), `${JSON.stringify(wanted)}\n`);
}

/** Begins the names of tasks. */
const task = 'task-';

/** Says that this process works at something that is begun and done once, as `beginWork` does. */
export const beginTask = (): (() => void) => beginWork(`${task}${process.pid}`);

/** Holds a lock for each process that works here without a job. */
const working = () => join(home(), 'working');

/**
 * Says that a process works here without a job: the idle command counts such work like a job.
 * @param name of its own for each process
 * @returns a function that says that it is done
 */
export function beginWork(name: string): () => void {
  mkdirSync(working(), { recursive: true });
  return takeLock(join(working(), `${name}.lock`), `work named ${name}`);
}

function isWorking(): boolean {
  if (!existsSync(working())) return isReceiving();
  let found = isReceiving();
  for (const name of readdirSync(working()))
    if (lockHolder(join(working(), name))) found = true;
    // Left by a process that was killed; its name, unlike a generator's, never comes again.
    else if (name.startsWith(task)) rmSync(join(working(), name), { force: true });
  return found;
}

/** Changes whenever the queue does, and whenever other work begins or ends, or a file has come. */
const workStamp = (): string =>
  [join(home(), 'queue.json'), working(), join(home(), 'blobs')]
    .map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    .join(' ');

/**
 * Waits until nothing was done here for as long as the command wants, then runs it; returns at once where none is set
 * or another process waits. A new job ends the waiting: whoever runs that job waits after it.
 * @param lookEvery in ms
 */
export async function waitForIdle(lookEvery = 1000): Promise<void> {
  if (!readIdleCommand()) return;
  let unlock: () => void;
  try {
    unlock = takeLock(idleLock(), 'the idle command');
  } catch (cause) {
    if (cause instanceof ParaError && cause.code === 'locked') return;
    throw cause;
  }
  try {
    let stamp = workStamp();
    let since = performance.now();
    for (;;) {
      const wanted = readIdleCommand();
      if (!wanted || readQueue().length > 0) return;
      if (isWorking() || workStamp() !== stamp) {
        stamp = workStamp();
        since = performance.now();
      }
      // Under the queue's lock: no job comes in between.
      if (performance.now() - since >= wanted.minutes * 60_000)
        return changeQueue((items) => {
          if (items.length === 0) run(wanted.command);
          return [items, undefined];
        });
      await new Promise((resume) => setTimeout(resume, lookEvery));
    }
  } finally {
    unlock();
  }
}

function run([program, ...args]: readonly string[]): void {
  const folder = join(home(), 'logs');
  mkdirSync(folder, { recursive: true });
  const log = openSync(join(folder, 'idle-command.txt'), 'a', 0o600);
  const child = spawn(program!, args, { cwd: home(), detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  child.on('error', (error) => console.error('idle command:', error.message));
  child.unref();
}
