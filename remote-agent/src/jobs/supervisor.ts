import { existsSync } from 'node:fs';
import { ParaError } from '../common/errors.ts';
import { EventLog, readEvents } from './event-log.ts';
import { changeState, type JobState, jobFiles, readStatus } from './job.ts';
import { directLauncher, type Launcher } from './launcher.ts';
import { takeLock } from './lock.ts';
import { claimNext, leave, slotLock } from './queue.ts';
import { readQueue } from './queue-file.ts';
import { fitsSlot } from './slots.ts';

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

/** Starts without a new step after which a trainer that dies is given up. */
const maxTries = 3;

/** Sees one job through: a trainer that dies is started again from its saved state while it makes progress. */
async function tend(directory: string, slot: string, launcher: Launcher): Promise<void> {
  const files = jobFiles(directory);
  // Left by a supervisor that was killed: its trainer goes on, and this one waits for it.
  while (launcher.isRunning(directory)) await pause(200);
  let tries = 0;
  for (;;) {
    const { state } = readStatus(directory);
    if (state !== 'queued' && state !== 'running' && state !== 'interrupted') return;
    if (existsSync(files.stop)) return giveUp(directory, 'stopped');
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
  const { step } = readStatus(directory);
  const message = `The trainer ended unexpectedly ${maxTries} times (${code === null ? 'killed' : `exit code ${code}`})`;
  const log = new EventLog(jobFiles(directory).events);
  try {
    log.append(
      state === 'stopped'
        ? { type: 'stopped', step }
        : { type: 'error', message, hint: "see the end of the job's log; memory is the usual reason" },
      true,
    );
  } finally {
    log.close();
  }
  changeState(directory, state, state === 'failed' ? { error: message } : {});
}

/**
 * Runs the jobs of a slot one after the other until none waits; ends at once where another supervisor has the slot.
 * After giving the slot back it looks once more: whoever queued a job in between saw the slot taken and went away.
 * @param isReplaced whether another supervisor is to take the jobs that wait
 */
export async function superviseSlot(
  slot: string,
  launcher: Launcher = directLauncher(),
  isReplaced: () => boolean = () => false,
): Promise<void> {
  // Jobs whose care failed here (no room for a word on the disk): they stay in the queue for the next supervisor.
  const passedOver = new Set<string>();
  do {
    let unlock: () => void;
    try {
      unlock = takeLock(slotLock(slot), `the slot ${slot}`);
    } catch (cause) {
      if (cause instanceof ParaError && cause.code === 'locked') return;
      throw cause;
    }
    try {
      const next = () => (isReplaced() ? undefined : claimNext(slot, passedOver));
      for (let job = next(); job; job = next()) {
        try {
          await tend(job.directory, slot, launcher);
          leave(job);
        } catch (cause) {
          passedOver.add(job.id);
          job.release();
          console.error(job.id, cause instanceof ParaError ? cause.describe() : cause);
        }
      }
    } finally {
      unlock();
    }
  } while (
    !isReplaced() &&
    readQueue().some((item) => !item.taken && !passedOver.has(item.id) && fitsSlot(item.device, slot))
  );
}
