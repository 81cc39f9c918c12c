import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ParaError } from '../common/errors.ts';
import { EventLog, readEvents } from './event-log.ts';
import { type JobState, jobFiles, readSpec, readStatus, runsFolder, writeStatus } from './job.ts';
import { lockHolder, takeLock } from './lock.ts';
import { type QueuedJob, queuedJobs, readEntry, slotLock, waitingJobs, writeEntry } from './queue.ts';
import { fitsSlot, slotEnvironment, slotsFor } from './slots.ts';

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

/** Starts without a step made after which a trainer that dies is given up. */
const maxTries = 3;

/** Where the seam to a cluster's scheduler is: how a job becomes a process whose end is waited for. */
export interface Launcher {
  /** Starts the trainer of a job; resolves with its exit code, `null` where it was killed. */
  run(directory: string, slot: string): Promise<number | null>;
}

/** Starts trainers as processes of this machine, each in a session of its own. */
export const directLauncher = (
  bundle = fileURLToPath(new URL('./trainer.js', import.meta.url)),
): Launcher => ({
  run(directory, slot) {
    const log = openSync(jobFiles(directory).log, 'a', 0o600);
    const child: ChildProcess = spawn(process.execPath, [bundle, directory], {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...slotEnvironment(slot) },
    });
    closeSync(log);
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code) => resolve(code));
    });
  },
});

/** Sees one job through: a trainer that dies is started again from its saved state while it makes progress. */
async function tend(directory: string, slot: string, launcher: Launcher): Promise<void> {
  const files = jobFiles(directory);
  writeEntry(directory, { order: readEntry(directory)?.order ?? 0, slot });
  // Left by a supervisor that was killed: its trainer goes on, and this one waits for it.
  while (lockHolder(files.lock)) await pause(200);
  let tries = 0;
  for (;;) {
    const { state } = readStatus(directory);
    if (state !== 'queued' && state !== 'running' && state !== 'interrupted') return;
    if (existsSync(jobFiles(directory).stop)) return giveUp(directory, 'stopped');
    const before = stepsSeen(directory);
    const code = await launcher.run(directory, slot);
    if (code === 0 || code === 130) return;
    if (code === 1 && readStatus(directory).state === 'failed') return;
    tries = stepsSeen(directory) > before ? 0 : tries + 1;
    if (tries >= maxTries) return giveUp(directory, 'failed', code);
  }
}

const stepsSeen = (directory: string): number =>
  readEvents(jobFiles(directory).events).reduce(
    (most, e) => (e.type === 'step' ? Math.max(most, e.step) : most),
    0,
  );

function giveUp(directory: string, state: JobState & ('stopped' | 'failed'), code?: number | null): void {
  const { step, steps, loss } = readStatus(directory);
  const message = `The trainer ended unexpectedly ${maxTries} times (${code === null ? 'killed' : `exit code ${code}`})`;
  const log = new EventLog(jobFiles(directory).events);
  log.append(
    state === 'stopped'
      ? { type: 'stopped', step }
      : { type: 'error', message, hint: "see the end of the job's log; memory is the usual reason" },
    true,
  );
  log.close();
  writeStatus(directory, {
    state,
    step,
    steps,
    ...(loss === undefined ? {} : { loss }),
    ...(state === 'failed' ? { error: message } : {}),
  });
}

const unsupervised = ({ directory, status }: QueuedJob): boolean =>
  status.state === 'running' && lockHolder(jobFiles(directory).claim) === undefined;

/** The next job for a slot with the claim on it. */
function claimNext(slot: string): { directory: string; release: () => void } | undefined {
  const jobs = queuedJobs();
  const orphans = jobs.filter((job) => job.entry.slot === slot && unsupervised(job));
  const waiting = jobs.filter(
    (job) => job.status.state === 'queued' && fitsSlot(readSpec(job.directory).device, slot),
  );
  for (const { directory } of [...orphans, ...waiting]) {
    try {
      const release = takeLock(jobFiles(directory).claim);
      const { state } = readStatus(directory);
      if (state === 'queued' || state === 'running' || state === 'interrupted') return { directory, release };
      release();
    } catch (cause) {
      if (!(cause instanceof ParaError && cause.code === 'locked')) throw cause;
    }
  }
  return undefined;
}

/**
 * Runs the jobs of a slot one after the other until none waits; ends at once where another supervisor has the slot.
 * After giving the slot back it looks once more: whoever queued a job in between saw the slot taken and went away.
 */
export async function superviseSlot(slot: string, launcher: Launcher = directLauncher()): Promise<void> {
  do {
    let unlock: () => void;
    try {
      unlock = takeLock(slotLock(slot));
    } catch (cause) {
      if (cause instanceof ParaError && cause.code === 'locked') return;
      throw cause;
    }
    try {
      for (let job = claimNext(slot); job; job = claimNext(slot)) {
        try {
          await tend(job.directory, slot, launcher);
        } finally {
          job.release();
        }
      }
    } finally {
      unlock();
    }
  } while (waitingJobs().some((job) => fitsSlot(readSpec(job.directory).device, slot)));
}

/** What logind does to the processes of a closed login; `null` where it does not tell. */
export function killsUserProcesses(): boolean | null {
  const { stdout, status } = spawnSync(
    'busctl',
    [
      'get-property',
      'org.freedesktop.login1',
      '/org/freedesktop/login1',
      'org.freedesktop.login1.Manager',
      'KillUserProcesses',
    ],
    { encoding: 'utf8', timeout: 3000 },
  );
  return status === 0 ? stdout.trim() === 'b true' : null;
}

/** Starts supervisors for jobs that wait or lost theirs; each is a session of its own and outlives its starter. */
export function kick(agent: string): void {
  const slots = new Set<string>();
  for (const job of queuedJobs()) {
    if (job.status.state === 'queued')
      for (const slot of slotsFor(readSpec(job.directory).device)) slots.add(slot);
    else if (job.entry.slot && unsupervised(job)) slots.add(job.entry.slot);
  }
  for (const slot of slots) {
    if (lockHolder(slotLock(slot))) continue;
    const folder = join(dirname(runsFolder()), 'logs');
    mkdirSync(folder, { recursive: true });
    const log = openSync(join(folder, `supervisor-${slot}.txt`), 'a', 0o600);
    const command = [process.execPath, agent, 'supervise', slot];
    const [program, ...args] = killsUserProcesses()
      ? ['systemd-run', '--user', '--scope', '--quiet', ...command]
      : command;
    const child = spawn(program!, args, { detached: true, stdio: ['ignore', log, log] });
    child.on('error', () => {});
    child.unref();
    closeSync(log);
  }
}
