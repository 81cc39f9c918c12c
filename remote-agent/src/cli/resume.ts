import { ParaError } from '../common/errors.ts';
import { openBase } from '../diffusion/base.ts';
import { type MoveHooks, moveRun, takeRunHome } from '../hosts/move-run.ts';
import { here } from '../hosts/profiles.ts';
import { type RemoteRef, readRemote } from '../hosts/remote-ref.ts';
import type { HostSession } from '../hosts/session.ts';
import { continueTo } from '../jobs/continue.ts';
import { findRun } from '../jobs/job.ts';
import { openHost, watchRun, withSendBar } from './host-run.ts';
import { interruptible } from './interrupt.ts';
import { done, runJob } from './local-run.ts';
import { bold, say, yellow } from './output.ts';

export interface ResumeOptions {
  readonly steps?: number;
  readonly continueSchedule?: boolean;
  readonly host?: string;
  readonly json?: boolean;
  readonly detach?: boolean;
}

/**
 * `para resume RUN`: a run goes on from its saved state, where it was or, with `host`, elsewhere. Returns the exit
 * code.
 */
export async function resumeCommand(run: string, options: ResumeOptions): Promise<number> {
  const directory = findRun(run);
  const remote = readRemote(directory);
  const target = options.host ?? remote?.host ?? here;
  if (target === here) {
    if (remote) await takeHome(directory, remote);
    raise(directory, options);
    return (await runJob(directory, options.json)) ? done(directory, options) : 130;
  }
  const session = await openHost(target);
  try {
    if (remote?.host !== target || !(await resumeThere(session, remote.id, options))) {
      raise(directory, options);
      await moveTo(session, directory, options);
    } else raise(directory, options);
  } catch (cause) {
    session.close();
    throw cause;
  }
  const code = await watchRun(directory, options, session);
  return code === 0 && !options.detach ? done(directory, options) : code;
}

/** Lets a job of the host go on; false where it never got there (its client died before it was sent). */
async function resumeThere(
  session: HostSession,
  id: string,
  { steps, continueSchedule: stretch }: ResumeOptions,
): Promise<boolean> {
  try {
    await session.call('jobs/resume', {
      id,
      ...(steps === undefined ? {} : { steps }),
      ...(stretch === undefined ? {} : { stretch }),
    });
    return true;
  } catch (cause) {
    if (cause instanceof ParaError && cause.code === 'run') return false;
    throw cause;
  }
}

function raise(directory: string, { steps, continueSchedule }: ResumeOptions): void {
  if (steps !== undefined) continueTo(directory, steps, continueSchedule ?? false);
}

/** What a person is told while a run leaves a host; Ctrl-C ends the waiting. */
const leaving = (signal: AbortSignal): MoveHooks => ({
  signal,
  open: openHost,
  onStopping: (host) => say(`the run saves its state on ${host} and stops there ...`),
  onUnreached: ({ host, job, step }, why) =>
    say(
      `${yellow('note')} ${host} is not reached (${why.message}). The run goes on from step ${step}, as it came home; should it still run there, stop it when ${host} is back: ${bold(`para cancel ${job} --host ${host}`)}`,
    ),
});

/** Makes the run of a folder a job of another host, with progress. */
async function moveTo(session: HostSession, directory: string, { json }: ResumeOptions): Promise<void> {
  await withSendBar(session, json ?? false, (progress) =>
    interruptible((signal) => moveRun(session, directory, { ...leaving(signal), progress })),
  );
}

const takeHome = (directory: string, remote: RemoteRef): Promise<void> =>
  interruptible((signal) => takeRunHome(directory, remote, (name) => openBase(name).hash, leaving(signal)));
