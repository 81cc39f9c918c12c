import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { diskError, writeFileAtomic } from '../common/files.ts';
import { type JobStatus, jobFiles, readSpec, readStatus, runsFolder, writeStatus } from './job.ts';
import { lockHolder, takeLock } from './lock.ts';

/** What `queue.json` of a job holds; jobs without one were started by hand and are none of the queue's. */
export interface QueueEntry {
  /** Jobs run in the order of this number. */
  readonly order: number;
  /** The slot it runs in, once it does. */
  readonly slot?: string;
}

const entryFile = (directory: string) => join(directory, 'queue.json');

/** Lock of a slot: one supervisor, and so one job, at a time. */
export function slotLock(slot: string): string {
  const folder = join(runsFolder(), '..', 'slots');
  mkdirSync(folder, { recursive: true });
  return join(folder, `${slot}.lock`);
}

export function readEntry(directory: string): QueueEntry | undefined {
  try {
    return JSON.parse(readFileSync(entryFile(directory), 'utf8')) as QueueEntry;
  } catch {
    // No job of the queue.
    return undefined;
  }
}

export function writeEntry(directory: string, entry: QueueEntry): void {
  writeFileAtomic(entryFile(directory), `${JSON.stringify(entry)}\n`);
}

/** A job of the queue as its supervisor sees it. */
export interface QueuedJob {
  readonly directory: string;
  readonly entry: QueueEntry;
  readonly status: JobStatus;
}

/** All jobs that were ever queued here, in queue order. */
export function queuedJobs(): QueuedJob[] {
  const folder = runsFolder();
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((name) => {
      const directory = join(folder, name);
      const entry = readEntry(directory);
      return entry && existsSync(jobFiles(directory).status)
        ? [{ directory, entry, status: readStatus(directory) }]
        : [];
    })
    .sort((a, b) => a.entry.order - b.entry.order || a.directory.localeCompare(b.directory));
}

export const waitingJobs = (): QueuedJob[] => queuedJobs().filter((job) => job.status.state === 'queued');

/** Puts a job at the end of the queue. */
export function enqueue(directory: string): void {
  const { stop } = jobFiles(directory);
  const last = queuedJobs().at(-1)?.entry.order ?? 0;
  rmSync(stop, { force: true });
  writeEntry(directory, { order: Math.floor(last) + 1 });
  const status = existsSync(jobFiles(directory).status) ? readStatus(directory) : undefined;
  writeStatus(directory, {
    state: 'queued',
    step: status?.step ?? 0,
    steps: readSpec(directory).training.steps,
    ...(status?.loss === undefined ? {} : { loss: status.loss }),
  });
}

/** Moves a waiting job to `place` (from 1) among the waiting. */
export function moveTo(directory: string, place: number): void {
  const others = waitingJobs().filter((job) => job.directory !== directory);
  const before = others[Math.min(place, others.length + 1) - 2];
  const after = others[place - 1];
  const order = after
    ? ((before?.entry.order ?? after.entry.order - 2) + after.entry.order) / 2
    : (before?.entry.order ?? 0) + 1;
  writeEntry(directory, { order });
}

/** Takes a job from the queue, or asks its trainer to save its state and stop; nothing where it does not run. */
export function cancel(directory: string): void {
  const { stop, claim } = jobFiles(directory);
  const { state } = readStatus(directory);
  if (state !== 'queued' && state !== 'running') return;
  try {
    writeFileSync(stop, '');
  } catch (cause) {
    throw diskError(cause, stop);
  }
  if (state === 'running') return;
  try {
    const unlock = takeLock(claim);
    const { step, steps } = readStatus(directory);
    if (readStatus(directory).state === 'queued') writeStatus(directory, { state: 'stopped', step, steps });
    unlock();
  } catch (cause) {
    // A supervisor took it just now: it finds the stop file.
    if (!(cause instanceof ParaError && cause.code === 'locked')) throw cause;
  }
}

/** Whether the trainer or the supervisor of a job lives. */
export const isTended = (directory: string): boolean =>
  lockHolder(jobFiles(directory).lock) !== undefined || lockHolder(jobFiles(directory).claim) !== undefined;
