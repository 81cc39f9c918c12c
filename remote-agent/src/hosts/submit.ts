import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { hashFile } from '../common/hash.ts';
import { readEvents } from '../jobs/event-log.ts';
import { jobFiles, readSpec } from '../jobs/job.ts';
import { takeLock } from '../jobs/lock.ts';
import { toWire, toWireSpec } from '../jobs/wire.ts';
import type { JobHistory, RunMemory } from '../protocol/contract/jobs.ts';
import type { HostFacts, JobInfo } from '../protocol/contract.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { callLong } from './long-request.ts';
import { type RemoteRef, writeRemote } from './remote-ref.ts';
import type { HostSession } from './session.ts';

/**
 * How the host would hold a run in its memory; `undefined` where its agent is too old to say.
 * @throws ParaError `memory` where it cannot; `base`, `host`
 */
export async function planOnHost(session: HostSession, spec: TrainSpec): Promise<RunMemory | undefined> {
  if (session.protocol < 3) return undefined;
  return callLong(session, 'jobs/plan', { spec: toWireSpec(spec, session.protocol) });
}

/** An id no other client's run has. */
export const remoteId = (stem: string): string => `${stem.slice(0, 90)}-${randomBytes(3).toString('hex')}`;

/** The device to train on there: a GPU where the host has one. */
export const deviceOf = ({ gpus }: Pick<HostFacts, 'gpus'>): 'cuda' | 'cpu' =>
  gpus.length > 0 ? 'cuda' : 'cpu';

/** Told how many bytes have been sent, of those that its host lacks of a run's files. */
export type SendProgress = (bytes: number, total: number) => void;

/** A file to be on the host under its hash. */
interface Sending {
  readonly path: string;
  readonly sha256: string;
}

/** Sends the files that the host does not have yet. */
async function send(session: HostSession, files: readonly Sending[], progress: SendProgress): Promise<void> {
  const byHash = new Map(files.map((file) => [file.sha256, file]));
  const { missing } = await session.call('blobs/missing', { hashes: [...byHash.keys()] });
  for (const hash of missing) {
    const { path } = byHash.get(hash)!;
    if (!existsSync(path))
      throw new ParaError(
        'picture',
        'A file of this run is not here any more, and the host does not have it',
        { where: path, hint: 'put it back where it was' },
      );
  }
  // Files that are there need not be here any more: what they would add is not known.
  const sizes = new Map(missing.map((hash) => [hash, statSync(byHash.get(hash)!.path).size]));
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  let sent = 0;
  progress(sent, total);
  for (const [hash, size] of sizes) {
    const { path, sha256 } = byHash.get(hash)!;
    const blobs = await session.blobs();
    await blobs.put(path, sha256, (bytes) => progress(sent + bytes, total));
    sent += size;
  }
}

const pictures = (spec: TrainSpec): Sending[] =>
  [...spec.pictures, ...spec.validationPictures].map(({ file, sha256 }) => ({ path: file, sha256 }));

/**
 * Makes the run of a folder a job on a host: sends its pictures and, where it has run before, its events, state and
 * results, so that it goes on from there. Sent twice, it is one job.
 * @throws ParaError `picture`, `base`, `exists`, `blob`, `host`
 */
export async function submitRun(
  session: HostSession,
  directory: string,
  id: string,
  progress: SendProgress = () => {},
): Promise<JobInfo> {
  const spec = readSpec(directory);
  // Named as what is unfinished is: swept up by whoever works in the folder next, should this process be killed.
  const log = join(directory, `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const history = await historyOf(directory, log);
    await send(session, [...pictures(spec), ...(history?.sending ?? [])], progress);
    return await session.call('jobs/submit', {
      id,
      spec: toWireSpec(spec, session.protocol),
      ...(history ? { history: history.names } : {}),
    });
  } finally {
    rmSync(log, { force: true });
  }
}

/**
 * Ties the run of a folder to a job of a host and sends it. Nobody brings it home before it is there: a run that its
 * host does not know looks like one that was deleted.
 * @throws ParaError `locked` where another process brings this run home; what `submitRun` throws
 */
export async function placeRun(
  session: HostSession,
  directory: string,
  job: Omit<RemoteRef, 'host'>,
  progress?: SendProgress,
): Promise<JobInfo> {
  const unlock = takeLock(jobFiles(directory).mirror);
  try {
    // Before it is sent: a client that dies in between finds out later whether it was.
    writeRemote(directory, { ...job, host: session.profile.name });
    return await submitRun(session, directory, job.id, progress);
  } finally {
    unlock();
  }
}

/** What a run did so far, its events as they travel in `log`; `undefined` for one that has not begun, or saved nothing it could go on from. */
async function historyOf(
  directory: string,
  log: string,
): Promise<{ names: JobHistory; sending: Sending[] } | undefined> {
  const files = jobFiles(directory);
  const events = readEvents(files.events);
  if (events.length === 0) return undefined;
  writeFileSync(log, events.map((event) => `${JSON.stringify(toWire(event, directory))}\n`).join(''));
  const found = [];
  for (const folder of ['checkpoints', 'samples'])
    if (existsSync(join(directory, folder)))
      for (const name of readdirSync(join(directory, folder)))
        if (/^[\w][\w.-]*\.(safetensors|png)$/.test(name)) found.push(`${folder}/${name}`);
  if (existsSync(files.adapter)) found.push('adapter.safetensors');
  const sending: Sending[] = [{ path: log, sha256: await hashFile(log) }];
  const named: JobHistory['files'] = [];
  for (const file of found.sort()) {
    const path = join(directory, file);
    const sha256 = await hashFile(path);
    sending.push({ path, sha256 });
    named.push({ file, sha256 });
  }
  return { names: { events: sending[0]!.sha256, files: named }, sending };
}
