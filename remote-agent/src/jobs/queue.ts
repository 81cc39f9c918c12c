import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { diskError } from '../common/files.ts';
import {
  changeState,
  isOver,
  type JobState,
  jobFiles,
  readSpec,
  readStatus,
  runsFolder,
  writeStatus,
} from './job.ts';
import { isTended, isTrained } from './liveness.ts';
import { lockHolder, takeLock } from './lock.ts';
import { bootId } from './process-life.ts';
import { changeQueue, fairPlace, type QueueItem, readQueue } from './queue-file.ts';
import { homeReserve, keepReserve, withReserve } from './reserve.ts';
import { fitsSlot } from './slots.ts';

/** Lock of a slot: one supervisor, and so one job, at a time. */
export function slotLock(slot: string): string {
  const folder = join(runsFolder(), '..', 'slots');
  mkdirSync(folder, { recursive: true });
  return join(folder, `${slot}.lock`);
}

export const jobFolder = (id: string): string => join(runsFolder(), id);

/** State of a job of the queue; `undefined` when its folder is gone or damaged. */
export function stateOf({ id }: QueueItem): JobState | undefined {
  try {
    return readStatus(jobFolder(id)).state;
  } catch (cause) {
    if (cause instanceof ParaError) return undefined;
    throw cause;
  }
}

/** Ids of the jobs that wait, in the order they will run in. */
export const waitingJobs = (): string[] =>
  readQueue()
    .filter((item) => !item.taken)
    .map((item) => item.id);

/** Puts a job into the queue, one that was interrupted before all others; does nothing where it waits or runs. */
export function enqueue(directory: string, client: string): void {
  const files = jobFiles(directory);
  const id = basename(directory);
  changeQueue((items) => {
    const there = items.find((item) => item.id === id);
    const before = existsSync(files.status) ? readStatus(directory) : undefined;
    const tended = isTended(jobFiles(directory));
    if (there && before && (there.taken ? tended && !isOver(before.state) : before.state === 'queued'))
      return [items, undefined];
    const { training, device } = readSpec(directory);
    rmSync(files.stop, { force: true });
    writeStatus(directory, {
      state: 'queued',
      step: before?.step ?? 0,
      steps: training.steps,
      ...(before?.loss === undefined ? {} : { loss: before.loss }),
    });
    // Its supervisor is about to leave it, and finds it waiting again then.
    if (there?.taken && tended) return [items, undefined];
    const others = items.filter((item) => item !== there);
    const place = before?.state === 'interrupted' ? 0 : fairPlace(others, client);
    others.splice(place, 0, { id, client, device });
    return [others, undefined];
  });
}

/** Ends a supervisor's care for a job: it leaves the queue, or waits in it again where somebody asked for that. */
export function leave({ id, release }: ClaimedJob): void {
  changeQueue((items) => {
    release();
    const others = items.filter((item) => item.id !== id);
    const item = items.find((other) => other.id === id);
    if (item && stateOf(item) === 'queued') {
      const { taken: _, ...waiting } = item;
      others.splice(fairPlace(others, item.client), 0, waiting);
    }
    return [others, undefined];
  });
}

/** Moves a waiting job to `place` (from 1) among the waiting; does nothing where it does not wait. */
export function moveTo(id: string, place: number): void {
  changeQueue((items) => {
    const taken = items.filter((item) => item.taken);
    const waiting = items.filter((item) => !item.taken);
    const job = waiting.find((item) => item.id === id);
    if (!job) return [items, undefined];
    const others = waiting.filter((item) => item !== job);
    others.splice(Math.min(place - 1, others.length), 0, job);
    return [[...taken, ...others], undefined];
  });
}

/** Takes a job from the queue, or asks its trainer to save its state and stop; nothing where it is over. */
export const cancel = (directory: string): void => withReserve(() => cancelNow(directory));

function cancelNow(directory: string): void {
  const { stop, claim } = jobFiles(directory);
  const over = () => isOver(readStatus(directory).state);
  if (over()) return;
  try {
    writeFileSync(stop, '');
  } catch (cause) {
    throw diskError(cause, stop);
  }
  let release: () => void;
  try {
    release = takeLock(claim);
  } catch (cause) {
    // Its supervisor finds the file.
    if (cause instanceof ParaError && cause.code === 'locked') return;
    throw cause;
  }
  try {
    // A trainer that lost its supervisor finds the file, too.
    if (over() || isTrained(jobFiles(directory))) return;
    changeState(directory, 'stopped');
    const id = basename(directory);
    changeQueue((items) => [items.filter((item) => item.id !== id), undefined]);
  } finally {
    release();
  }
}

/** A job that a supervisor took, with the claim on it. */
export interface ClaimedJob {
  readonly id: string;
  readonly directory: string;
  readonly release: () => void;
}

/** Whether a taken job lost its supervisor in this boot of the machine. */
export const isOrphan = (item: QueueItem): boolean =>
  item.taken?.boot === bootId() && lockHolder(jobFiles(jobFolder(item.id)).claim) === undefined;

/**
 * Takes the next job for a slot: one that lost its supervisor there, else the first that waits for such a slot.
 * @param passedOver jobs not to take
 */
export function claimNext(slot: string, passedOver: ReadonlySet<string>): ClaimedJob | undefined {
  return changeQueue<ClaimedJob | undefined>((items) => {
    const orphans = items.filter((item) => item.taken?.slot === slot && isOrphan(item));
    const waiting = items.filter((item) => !item.taken && fitsSlot(item.device, slot));
    for (const item of [...orphans, ...waiting]) {
      const state = stateOf(item);
      if (passedOver.has(item.id) || state === undefined || isOver(state)) continue;
      const directory = jobFolder(item.id);
      let release: () => void;
      try {
        release = takeLock(jobFiles(directory).claim);
      } catch (cause) {
        if (cause instanceof ParaError && cause.code === 'locked') continue;
        throw cause;
      }
      const taken = { ...item, taken: { slot, boot: bootId() } };
      return [items.map((other) => (other === item ? taken : other)), { id: item.id, directory, release }];
    }
    return [items, undefined];
  });
}

/** What the queue was found like by whoever looks after it. */
export interface QueueState {
  /** Jobs that ran when the machine went down: off the queue now, to be resumed by whoever wants them. */
  readonly interrupted: readonly string[];
  readonly waiting: readonly QueueItem[];
  /** Slots whose jobs lost their supervisor. */
  readonly orphaned: readonly string[];
}

/** Temporary files in a host's own folders that are older are those of the dead, in ms. */
const abandoned = 10_000;

/** Takes off the queue what is over or did not survive a reboot, and tells what is left. */
export function tidyQueue(): QueueState {
  sweep(dirname(runsFolder()));
  keepReserve(homeReserve());
  return changeQueue<QueueState>((items) => {
    const interrupted: string[] = [];
    const kept = items.flatMap((item): QueueItem[] => {
      const state = stateOf(item);
      if (state === undefined || isOver(state)) {
        // Its supervisor takes it off itself when it is done with it.
        const { claim } = jobFiles(jobFolder(item.id));
        if (item.taken && lockHolder(claim)) return [item];
        if (existsSync(claim)) releaseDead(claim);
        return [];
      }
      if (!item.taken || item.taken.boot === bootId()) return [item];
      if (state === 'interrupted') {
        interrupted.push(item.id);
        return [];
      }
      // Taken, but not begun when the machine went down.
      const { taken: _, ...waiting } = item;
      return [waiting];
    });
    const orphaned = new Set(kept.filter(isOrphan).map((item) => item.taken!.slot));
    return [kept, { interrupted, waiting: kept.filter((item) => !item.taken), orphaned: [...orphaned] }];
  });
}

/** Removes what processes that were killed in the middle of a write left behind. */
function sweep(home: string): void {
  for (const folder of [home, runsFolder(), join(home, 'slots')]) {
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      const isLeft =
        /^\.[0-9a-f]{12}\.tmp$/.test(name) &&
        Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) > abandoned;
      if (isLeft) rmSync(path, { force: true });
      if (name.endsWith('.lock') && !lockHolder(path)) releaseDead(path);
    }
  }
}

function releaseDead(lock: string): void {
  try {
    takeLock(lock)();
  } catch (cause) {
    // Somebody has it by now.
    if (!(cause instanceof ParaError && cause.code === 'locked')) throw cause;
  }
}

/**
 * Deletes a job that does not run, with all its files. It leaves its place in one step; a deletion that is cut off is
 * ended by the next.
 * @param sizeOf bytes that a folder takes
 * @returns bytes freed
 * @throws ParaError `locked` while it runs
 */
export async function deleteJob(id: string, sizeOf: (folder: string) => number): Promise<number> {
  const directory = jobFolder(id);
  const trash = join(dirname(runsFolder()), 'trash');
  const freed = changeQueue((items) => {
    if (!existsSync(directory)) return [items, 0];
    const size = sizeOf(directory);
    const release = takeLock(jobFiles(directory).claim, `the job "${id}"`);
    if (isTrained(jobFiles(directory))) {
      release();
      throw new ParaError('locked', `The job "${id}" is running`, { hint: 'cancel it first' });
    }
    mkdirSync(trash, { recursive: true });
    renameSync(directory, join(trash, `${process.pid}-${Date.now()}-${id}`));
    return [items.filter((item) => item.id !== id), size];
  });
  if (existsSync(trash))
    for (const name of readdirSync(trash)) await rm(join(trash, name), { recursive: true, force: true });
  return freed;
}
