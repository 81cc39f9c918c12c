// The client of the campaign: `client HOST RUN_FOLDER` sends the run to its host, if it is not there, and follows it to
// its end through everything. Killed, it is started again with the same words. Exit code: 0 finished, 3 failed.
import { setTimeout as sleep } from 'node:timers/promises';
import { ParaError } from '../../src/common/errors.ts';
import { followJob } from '../../src/hosts/follow.ts';
import { findHost } from '../../src/hosts/profiles.ts';
import { readRemote } from '../../src/hosts/remote-ref.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { submitRun } from '../../src/hosts/submit.ts';
import { readEvents } from '../../src/jobs/event-log.ts';
import { jobFiles } from '../../src/jobs/job.ts';

const [host, directory, again] = process.argv.slice(2);
const profile = findHost(host!);
const { id } = readRemote(directory!)!;

/** Does something on a connection, again and again until the connection holds. */
async function persist<T>(work: (session: HostSession) => Promise<T>): Promise<T> {
  for (;;) {
    let session: HostSession | undefined;
    try {
      session = await HostSession.open(profile);
      return await work(session);
    } catch (cause) {
      if (!(cause instanceof ParaError && cause.code === 'host')) throw cause;
      await sleep(300);
    } finally {
      session?.close();
    }
  }
}

if (readEvents(jobFiles(directory!).events).length === 0)
  await persist((session) => submitRun(session, directory!, id));
if (again) await persist((session) => session.call('jobs/resume', { id }));
const job = await followJob(profile, directory!, {
  onLink: (state, problem) => {
    if (problem) console.error(state.at, problem instanceof ParaError ? problem.describe() : problem);
  },
});
console.error(`the job is ${job?.state}`);
process.exit(job?.state === 'finished' ? 0 : 3);
