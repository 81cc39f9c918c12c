// The trainer's own process: `node trainer.js JOB_DIRECTORY`. The runtime blocks the thread it runs on, so whoever
// starts a job stays responsive; killing this process loses at most the steps since the last saved state.
import { appendFileSync, existsSync } from 'node:fs';
import { ParaError } from '../common/errors.ts';
import { removeUnfinished } from '../common/files.ts';
import { lap } from '../common/lap.ts';
import type { TrainEvent } from '../training/events.ts';
import { programsBeside } from '../training/programs.ts';
import { train } from '../training/train.ts';
import { EventLog } from './event-log.ts';
import { jobFiles, readSpec, readStatus, writeStatus } from './job.ts';
import { takeLock } from './lock.ts';
import { keepReserve, spendReserve } from './reserve.ts';

/** Exit code of a run that was stopped on request. */
const stoppedCode = 130;

/** Hands an event to the starter, if there is one; whether it hears it or is gone does not matter to the run. */
function tell(event: TrainEvent): void {
  if (process.connected) process.send?.(event, undefined, undefined, () => {});
}

async function main(directory: string): Promise<number> {
  lap('start Node and load the code');
  const files = jobFiles(directory);
  const spec = readSpec(directory);
  const { steps } = spec.training;
  const unlock = takeLock(files.lock);
  // Where it was: it goes on from about there, and is shown there until it does.
  let { step, loss } = readStatus(directory);
  let stopping = false;
  let lastStatus = 0;
  const stop = () => {
    stopping = true;
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // The terminal or the program that started it is gone.
  process.on('disconnect', stop);
  const status = (state: 'running' | 'stopped' | 'finished' | 'failed', error?: string) =>
    writeStatus(directory, {
      state,
      step,
      steps,
      ...(loss === undefined ? {} : { loss }),
      ...(error ? { error } : {}),
    });
  let log: EventLog | undefined;
  const emit = (event: TrainEvent) => {
    if (event.type === 'step') {
      step = event.step;
      loss = event.smoothedLoss;
      const now = Date.now();
      if (now - lastStatus > 1000) {
        lastStatus = now;
        status('running');
      }
    } else if (event.type === 'resumed') step = event.fromStep;
    else if (event.type === 'stopped') step = event.step;
    tell(log!.append(event, event.type !== 'step'));
  };
  try {
    removeUnfinished(directory);
    log = new EventLog(files.events);
    keepReserve(files.reserve);
    status('running');
    const hooks = { emit, shouldStop: () => stopping || existsSync(files.stop) };
    const outcome = await train(spec, files, hooks, programsBeside(import.meta.url));
    status(outcome);
    return outcome === 'finished' ? 0 : stoppedCode;
  } catch (cause) {
    report(cause, directory, emit, status);
    return 1;
  } finally {
    log?.close();
    spendReserve(files.reserve);
    unlock();
  }
}

function report(
  cause: unknown,
  directory: string,
  emit: (event: TrainEvent) => void,
  status: (state: 'failed', error: string) => void,
): void {
  const event = errorEvent(cause);
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  if (event.code === 'disk') spendReserve(jobFiles(directory).reserve);
  // The disk itself may be what failed: what can be told is told, one way or another.
  const attempts = [
    () => emit(event),
    () => status('failed', event.message),
    () => appendFileSync(jobFiles(directory).log, `${text}\n`),
  ];
  const failed = attempts.filter((attempt) => {
    try {
      attempt();
      return false;
    } catch {
      return true;
    }
  });
  if (failed.length === 0) return;
  tell(event);
  console.error(event.message);
}

function errorEvent(cause: unknown): TrainEvent & { type: 'error' } {
  if (!(cause instanceof ParaError))
    return {
      type: 'error',
      message: `Unexpected: ${cause instanceof Error ? cause.message : String(cause)}`,
    };
  const { code, message, where, hint } = cause;
  return { type: 'error', message, code, ...(where ? { where } : {}), ...(hint ? { hint } : {}) };
}

const [directory] = process.argv.slice(2);
if (!directory) {
  console.error('usage: trainer.js JOB_DIRECTORY');
  process.exit(2);
}
try {
  process.exitCode = await main(directory);
} catch (cause) {
  // Before the event log is open: nobody else can be told.
  console.error(cause instanceof ParaError ? cause.describe() : cause);
  tell(errorEvent(cause));
  process.exitCode = 1;
}
if (process.connected) process.disconnect();
