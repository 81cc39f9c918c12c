import { ParaError } from '../common/errors.ts';
import { followJob } from '../hosts/follow.ts';
import type { RemoteRef } from '../hosts/remote-ref.ts';
import type { HostSession } from '../hosts/session.ts';
import { isOver, type JobState, jobFiles, readStatus } from '../jobs/job.ts';
import { lockHolder } from '../jobs/lock.ts';
import { openHost } from './host-run.ts';
import { interruptible } from './interrupt.ts';
import { bold, say, yellow } from './output.ts';

/** What keeps a host from answering: it may be gone for good. */
const outOfReach = ['host', 'login', 'agent', 'protocol'];

/**
 * Ends a run's job on the host it is on, so that it goes on elsewhere: the job saves its state and stops, and what it
 * did comes home. A host that is not reached is left alone: the run goes on from what came home before.
 * @throws ParaError `locked` where another process watches the run, `cancelled` where the person would not wait
 */
export async function leaveHost(directory: string, { host, id }: RemoteRef): Promise<void> {
  if (lockHolder(jobFiles(directory).mirror))
    throw new ParaError('locked', 'Another process watches this run', {
      where: directory,
      hint: 'end that first, with Ctrl-C; the run goes on',
    });
  let session: HostSession;
  try {
    session = await openHost(host);
  } catch (cause) {
    if (!(cause instanceof ParaError && outOfReach.includes(cause.code))) throw cause;
    say(
      `${yellow('note')} ${host} is not reached (${cause.message}). The run goes on from step ${readStatus(directory).step}, as it came home; should it still run there, stop it when ${host} is back: ${bold(`para cancel ${id} --host ${host}`)}`,
    );
    return;
  }
  const ended = await stopThere(session, directory, id);
  if (!ended)
    throw new ParaError('cancelled', `The run still stops on ${host}`, {
      hint: 'repeat this: it goes on once the run has stopped there',
    });
}

/** @returns whether the job is over and all it did is here; `false` where the person would not wait */
async function stopThere(session: HostSession, directory: string, id: string): Promise<boolean> {
  const { profile } = session;
  try {
    const { state } = await session.call('jobs/cancel', { id });
    if (!isOver(state as JobState)) say(`the run saves its state on ${profile.name} and stops there ...`);
  } catch (cause) {
    session.close();
    // It never got there, or was deleted there.
    if (cause instanceof ParaError && cause.code === 'run') return true;
    throw cause;
  }
  return (await interruptible((signal) => followJob(profile, directory, { signal }, session))) !== undefined;
}
