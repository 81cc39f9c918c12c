import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { changeState, isOver, type JobState, jobFiles, readSpec, readStatus } from '../jobs/job.ts';
import { lockHolder } from '../jobs/lock.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { followJob } from './follow.ts';
import { hostBases } from './remote-bases.ts';
import { forgetRemote, type RemoteRef, readRemote } from './remote-ref.ts';
import type { HostSession } from './session.ts';
import { placeRun, remoteId, type SendProgress } from './submit.ts';

/** How a run is moved, and what is told meanwhile. */
export interface MoveHooks {
  /** Opens a connection of its own to the host that is left. */
  open(host: string): Promise<HostSession>;
  /** The host that is left is not reached: the run goes on from `step`, and may still run there as `job`. */
  onUnreached(
    left: { readonly host: string; readonly job: string; readonly step: number },
    why: ParaError,
  ): void;
  /** The job saves its state on the host that is left. */
  onStopping?(host: string): void;
  readonly progress?: SendProgress;
  /** The person does not want to wait for the job's end. */
  readonly signal?: AbortSignal;
}

/** What keeps a host from answering: it may be gone for good. */
const outOfReach = ['host', 'login', 'agent', 'protocol'];

/**
 * Makes the run of a folder a job of another host, from its last saved state; where it is on a host already, it is
 * ended there first.
 * @throws ParaError `base` where that host has another base, `locked`, `cancelled`, `picture`, `host`
 */
export async function moveRun(session: HostSession, directory: string, hooks: MoveHooks): Promise<void> {
  const { base } = readSpec(directory);
  const { name } = session.profile;
  demandSame(base, (await hostBases(session))(base.name).hash, name);
  const old = readRemote(directory);
  if (old && old.host !== name) await leaveHost(directory, old, hooks);
  // What a host may still hold of this run from an earlier stay has missed what came after: it is another job there.
  const id = old?.host === name ? old.id : remoteId(basename(directory).replace(/[^\w.-]+/g, '_'));
  const { bring = 'best', fetched = {} } = old ?? {};
  await placeRun(session, directory, { id, bring, fetched }, hooks.progress);
  // Whoever brings runs home sees by that that there is more to come.
  changeState(directory, 'queued');
}

/**
 * Makes a run of a host one of this machine, from the state that came home; it is ended there first.
 * @param baseHash content hash of the base of its name here
 * @throws ParaError `base`, `picture`, `locked`, `cancelled`, `host`
 */
export async function takeRunHome(
  directory: string,
  remote: RemoteRef,
  baseHash: (name: string) => string,
  hooks: MoveHooks,
): Promise<void> {
  const { base, pictures } = readSpec(directory);
  demandSame(base, baseHash(base.name), 'here');
  const missing = pictures.find(({ file }) => !existsSync(file));
  if (missing)
    throw new ParaError('picture', 'A picture of this run is not on this machine', { where: missing.file });
  await leaveHost(directory, remote, hooks);
  forgetRemote(directory);
  changeState(directory, 'stopped');
}

/** @throws ParaError `base` where a place has another base of this name than the run began with */
function demandSame(base: TrainSpec['base'], found: string, where: string): void {
  if (found === base.hash) return;
  throw new ParaError('base', `The base "${base.name}" is not the one the run began with`, {
    where: `${where}: ${found.slice(0, 12)}, the run: ${base.hash.slice(0, 12)}`,
  });
}

/**
 * Ends a run's job on the host it is on: the job saves its state and stops, and what it did comes home. A host that is
 * not reached is left alone: the run goes on from what came home before.
 */
async function leaveHost(directory: string, { host, id }: RemoteRef, hooks: MoveHooks): Promise<void> {
  if (lockHolder(jobFiles(directory).mirror))
    throw new ParaError('locked', 'Another process watches this run', {
      where: directory,
      hint: 'end that first, with Ctrl-C; the run goes on',
    });
  let session: HostSession;
  try {
    session = await hooks.open(host);
  } catch (cause) {
    if (!(cause instanceof ParaError && outOfReach.includes(cause.code))) throw cause;
    hooks.onUnreached({ host, job: id, step: readStatus(directory).step }, cause);
    return;
  }
  if (!(await stopThere(session, directory, id, hooks)))
    throw new ParaError('cancelled', `The run still stops on ${host}`, {
      hint: 'repeat this: it goes on once the run has stopped there',
    });
}

/** @returns whether the job is over and all it did is here; `false` where the person would not wait */
async function stopThere(
  session: HostSession,
  directory: string,
  id: string,
  { onStopping, signal }: MoveHooks,
): Promise<boolean> {
  const { profile } = session;
  try {
    const { state } = await session.call('jobs/cancel', { id });
    if (!isOver(state as JobState)) onStopping?.(profile.name);
  } catch (cause) {
    session.close();
    // It never got there, or was deleted there.
    if (cause instanceof ParaError && cause.code === 'run') return true;
    throw cause;
  }
  return (await followJob(profile, directory, signal ? { signal } : {}, session)) !== undefined;
}
