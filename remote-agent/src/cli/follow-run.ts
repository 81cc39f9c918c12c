import { setTimeout as sleep } from 'node:timers/promises';
import { ParaError } from '../common/errors.ts';
import { readRemote } from '../hosts/remote-ref.ts';
import { isActive, jobFiles, readSpec, readStatus } from '../jobs/job.ts';
import { lockHolder } from '../jobs/lock.ts';
import { Tail } from '../jobs/tail.ts';
import { ring, watchRun } from './host-run.ts';
import { interruptible } from './interrupt.ts';
import { bold, say } from './output.ts';
import { RunDisplay } from './run-display.ts';

/**
 * Follows a run until it is over: on its host, or, where it is here or another process brings it home, in its folder.
 * Returns the exit code: 0 finished, 1 failed, 130 stopped or left.
 */
export async function followRun(directory: string, { json }: { readonly json?: boolean }): Promise<number> {
  const files = jobFiles(directory);
  if (readRemote(directory) && !lockHolder(files.mirror)) {
    try {
      return await watchRun(directory, json ? { json } : {});
    } catch (cause) {
      // Another process was quicker.
      if (!(cause instanceof ParaError && cause.code === 'locked')) throw cause;
    }
  }
  return interruptible((signal) => followFolder(directory, json ?? false, signal));
}

async function followFolder(directory: string, json: boolean, signal: AbortSignal): Promise<number> {
  const display = new RunDisplay(readSpec(directory), json);
  const tail = new Tail(jobFiles(directory).events);
  try {
    for (let seq = 0; !signal.aborted; ) {
      const { state } = readStatus(directory);
      for (let events = tail.next(); events.length > 0; events = tail.next())
        for (const event of events) {
          // Told again where the log began anew.
          if (event.seq <= seq) continue;
          display.show(event);
          seq = event.seq;
        }
      if (!isActive(state)) {
        display.stop();
        ring();
        if (!json) say(`${state}  ${bold(directory)}`);
        return state === 'finished' ? 0 : state === 'failed' ? 1 : 130;
      }
      await sleep(250, undefined, { signal }).catch(() => {});
    }
    return 130;
  } finally {
    tail.close();
    display.stop();
  }
}
