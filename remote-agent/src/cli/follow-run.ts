import { setTimeout as sleep } from 'node:timers/promises';
import { ParaError } from '../common/errors.ts';
import { readRemote } from '../hosts/remote-ref.ts';
import { readEvents } from '../jobs/event-log.ts';
import { jobFiles, readSpec, readStatus } from '../jobs/job.ts';
import { lockHolder } from '../jobs/lock.ts';
import { ring, watchRun } from './host-run.ts';
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
  return followFolder(directory, json ?? false);
}

async function followFolder(directory: string, json: boolean): Promise<number> {
  const display = new RunDisplay(readSpec(directory), json);
  const control = new AbortController();
  const leave = () => control.abort();
  process.on('SIGINT', leave);
  process.on('SIGTERM', leave);
  try {
    for (let seq = 0; !control.signal.aborted; ) {
      const { state } = readStatus(directory);
      for (const event of readEvents(jobFiles(directory).events, seq + 1)) {
        display.show(event);
        seq = event.seq;
      }
      if (state !== 'running' && state !== 'queued') {
        display.stop();
        ring();
        if (!json) say(`${state}  ${bold(directory)}`);
        return state === 'finished' ? 0 : state === 'failed' ? 1 : 130;
      }
      await sleep(250, undefined, { signal: control.signal }).catch(() => {});
    }
    return 130;
  } finally {
    display.stop();
    process.off('SIGINT', leave);
    process.off('SIGTERM', leave);
  }
}
