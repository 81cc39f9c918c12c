import { rmSync } from 'node:fs';
import { basename } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { here } from '../hosts/profiles.ts';
import { readRemote } from '../hosts/remote-ref.ts';
import { findRun, isActive, jobFiles, readStatus } from '../jobs/job.ts';
import { isTended } from '../jobs/liveness.ts';
import { lockHolder } from '../jobs/lock.ts';
import { cancel } from '../jobs/queue.ts';
import { withHost } from './host-run.ts';
import { bytes, say } from './output.ts';

interface OnHost {
  readonly host?: string;
}

/** Which job of which host is meant; `undefined` where the run is here alone. */
function remoteOf(run: string, host: string | undefined): { host: string; id: string } | undefined {
  return host === undefined ? readRemote(findRun(run)) : { host, id: run };
}

/** `para cancel RUN`: its trainer saves the state and stops, or it leaves the queue. */
export async function cancelCommand(run: string, { host }: OnHost): Promise<void> {
  const remote = remoteOf(run, host);
  if (remote) {
    const { state } = await withHost(remote.host, (session) =>
      session.call('jobs/cancel', { id: remote.id }),
    );
    return tell(remote.id, state);
  }
  const directory = findRun(run);
  const { state } = readStatus(directory);
  if (isActive(state)) cancel(directory);
  tell(run, state);
}

function tell(run: string, state: string): void {
  say(state === 'running' ? `${run} saves its state and stops` : `${run}: ${state}`);
}

/** `para move RUN PLACE`: another place among the waiting jobs of its host. */
export async function moveCommand(run: string, place: number, { host }: OnHost): Promise<void> {
  const remote = remoteOf(run, host);
  if (!remote) throw new ParaError('run', 'This run is on no host, and waits in no queue', { where: run });
  const { state, queuePlace } = await withHost(remote.host, (session) =>
    session.call('jobs/move', { id: remote.id, place }),
  );
  say(queuePlace ? `${remote.id} waits at place ${queuePlace}` : `${remote.id} does not wait: ${state}`);
}

/** `para delete RUN`: its folder here and, for a run on a host, the job there; with `--host here` the folder alone. */
export async function deleteCommand(run: string, { host }: OnHost): Promise<void> {
  if (host !== undefined && host !== here) return deleteThere({ host, id: run });
  const directory = findRun(run);
  demandUnwatched(directory);
  const remote = host === here ? undefined : readRemote(directory);
  if (remote)
    await deleteThere(remote).catch((cause) => {
      if (!(cause instanceof ParaError)) throw cause;
      const only = `or delete what is here alone: para delete ${run} --host ${here}`;
      throw cause.withHint(cause.hint ? `${cause.hint}; ${only}` : only);
    });
  rmSync(directory, { recursive: true });
  say(`deleted ${directory}`);
}

async function deleteThere({ host, id }: { host: string; id: string }): Promise<void> {
  const { freedBytes } = await withHost(host, (session) => session.call('jobs/delete', { id }));
  say(`deleted ${id} on ${host}: ${bytes(freedBytes)} are free again`);
}

/** @throws ParaError `locked` where a process writes to the run's folder */
function demandUnwatched(directory: string): void {
  const files = jobFiles(directory);
  if (lockHolder(files.mirror))
    throw new ParaError('locked', 'Another process watches this run', {
      where: directory,
      hint: 'end that first, with Ctrl-C',
    });
  if (isTended(files))
    throw new ParaError('locked', `The run "${basename(directory)}" is running`, {
      hint: `stop it first: para cancel ${basename(directory)}`,
    });
}
