import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { openBase } from '../diffusion/base.ts';
import { hostBases } from '../hosts/remote-bases.ts';
import { forgetRemote, type RemoteRef, readRemote, writeRemote } from '../hosts/remote-ref.ts';
import type { HostSession } from '../hosts/session.ts';
import { remoteId } from '../hosts/submit.ts';
import { continueTo } from '../jobs/continue.ts';
import { findRun, readSpec, readStatus, writeStatus } from '../jobs/job.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { openHost, submit, watchRun } from './host-run.ts';
import { leaveHost } from './leave-host.ts';
import { done, runJob } from './local-run.ts';

export interface ResumeOptions {
  readonly steps?: number;
  readonly continueSchedule?: boolean;
  readonly host?: string;
  readonly json?: boolean;
  readonly detach?: boolean;
}

/** Name of this machine where a host can be named. */
const here = 'here';

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

/** Makes the run of a folder a job of another host. @throws ParaError `base` where that host has another base */
async function moveTo(session: HostSession, directory: string, options: ResumeOptions): Promise<void> {
  const { base } = readSpec(directory);
  const { name } = session.profile;
  demandSame(base, (await hostBases(session))(base.name).hash, name);
  const old = readRemote(directory);
  if (old && old.host !== name) await leaveHost(directory, old);
  const id = old?.id ?? remoteId(basename(directory).replace(/[^\w.-]+/g, '_'));
  // Before it is sent: whoever repeats this after a cut asks for the same job.
  writeRemote(directory, {
    ...{ host: name, id, bring: old?.bring ?? 'best', fetched: old?.fetched ?? {} },
  });
  await submit(session, directory, id, options);
}

/** A run of a host becomes one of this machine, from the state that came home. */
async function takeHome(directory: string, remote: RemoteRef): Promise<void> {
  const { base, pictures } = readSpec(directory);
  demandSame(base, openBase(base.name).hash, 'here');
  const missing = pictures.find(({ file }) => !existsSync(file));
  if (missing)
    throw new ParaError('picture', 'A picture of this run is not on this machine', { where: missing.file });
  await leaveHost(directory, remote);
  const { step, steps, loss } = readStatus(directory);
  forgetRemote(directory);
  writeStatus(directory, { state: 'stopped', step, steps, ...(loss === undefined ? {} : { loss }) });
}

/** @throws ParaError `base` where a place has another base of this name than the run began with */
function demandSame(base: TrainSpec['base'], found: string, where: string): void {
  if (found === base.hash) return;
  throw new ParaError('base', `The base "${base.name}" is not the one the run began with`, {
    where: `${where}: ${found.slice(0, 12)}, the run: ${base.hash.slice(0, 12)}`,
  });
}
