import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ParaError } from '../common/errors.ts';
import { blobPath, missingBlobs } from '../jobs/blob-store.ts';
import { EventLog, type LoggedEvent, readEvents } from '../jobs/event-log.ts';
import { createJob, jobFiles, readSpec, readStatus, runsFolder } from '../jobs/job.ts';
import { underLock } from '../jobs/lock.ts';
import { enqueue, jobFolder } from '../jobs/queue.ts';
import { fromWire, fromWireSpec } from '../jobs/wire.ts';
import type { JobHistory } from '../protocol/contract/jobs.ts';
import type { Params } from '../protocol/contract.ts';
import { WireEvent } from '../protocol/events.ts';
import type { WireSpec } from '../protocol/spec.ts';
import { isValid } from '../protocol/validate.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { freeUnnamed } from './delete-job.ts';

/**
 * The spec as the trainer reads it: blobs become paths of this host.
 * @param hash content hash of the host's base of the spec's name
 * @throws ParaError `base` for another base than here, `blob` for a picture that is not here
 */
function localSpec(spec: WireSpec, hash: string): TrainSpec {
  if (hash !== spec.base.hash)
    throw new ParaError('base', `The host's base "${spec.base.name}" is not the one this job was made for`, {
      where: `here ${hash.slice(0, 12)}, wanted ${spec.base.hash.slice(0, 12)}`,
    });
  demandBlobs([...spec.pictures, ...spec.validationPictures], 'picture');
  return fromWireSpec(spec);
}

function demandBlobs(files: readonly { readonly sha256: string }[], what: string): void {
  const [missing] = missingBlobs(files.map(({ sha256 }) => sha256));
  if (missing !== undefined)
    throw new ParaError('blob', `A ${what} of this job was not sent`, { where: missing });
}

/** A job as a client submits it. */
export type Submission = Params<'jobs/submit'>;

/** A spec as what it was submitted with: a run that was continued has other steps since. */
const withoutSteps = (spec: TrainSpec) => ({ ...spec, training: { ...spec.training, steps: 0 } });

/**
 * Makes a job and queues it; sent again, it is the job that is there.
 * @param baseHash content hash of the host's base of the spec's name
 * @param client who it counts for when turns are taken
 * @throws ParaError `exists` where another job has this id; `base`, `blob`, `protocol`
 */
export function submitJob({ id, spec, history }: Submission, baseHash: string, client: string): void {
  const wanted = localSpec(spec, baseHash);
  const directory = jobFolder(id);
  mkdirSync(runsFolder(), { recursive: true });
  // Two agents may be told of the same job at once.
  underLock(join(runsFolder(), `.${id}.lock`), `the job "${id}"`, () => {
    if (existsSync(jobFiles(directory).spec)) {
      if (!isDeepStrictEqual(withoutSteps(readSpec(directory)), withoutSteps(wanted)))
        throw new ParaError('exists', `The host has another job "${id}"`, {
          hint: 'submit under another id',
        });
      if (history) demandSameHistory(directory, history);
    } else {
      // Under another name until it is whole: a cut leaves no half of a job.
      const draft = join(runsFolder(), `.${id}.draft`);
      rmSync(draft, { recursive: true, force: true });
      createJob(draft, wanted);
      if (history) takeHistory(draft, directory, history);
      renameSync(draft, directory);
    }
    if (readStatus(directory).state === 'queued') enqueue(directory, client);
  });
  // The job has its own copies now; what cannot be freed just now goes with other blobs that nobody came for.
  if (history)
    try {
      freeUnnamed(hashesOf(history), Date.now());
    } catch (cause) {
      if (!(cause instanceof ParaError && cause.code === 'locked')) throw cause;
    }
}

/** What a job that is sent again did before must be what is known of it here. @throws ParaError `exists`, `protocol` */
function demandSameHistory(directory: string, { events }: JobHistory): void {
  // It was taken in and let go where a client that heard no answer asks again.
  if (missingBlobs([events]).length > 0) return;
  const known = readEvents(jobFiles(directory).events);
  const last = readHistory(events, directory).at(-1);
  if (last && known[last.seq - 1]?.time !== last.time)
    throw new ParaError(
      'exists',
      `The host's job "${basename(directory)}" did not do what this run has done`,
      {
        where: `event ${last.seq}`,
        hint: 'submit under another id',
      },
    );
}

/** Events of a run as they were sent. @throws ParaError `protocol` */
function readHistory(sha256: string, directory: string): LoggedEvent[] {
  try {
    return readFileSync(blobPath(sha256), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => {
        const event: unknown = JSON.parse(line);
        if (!isValid(WireEvent, event)) throw new RangeError('no event');
        return fromWire(event, directory);
      });
  } catch (cause) {
    throw new ParaError('protocol', 'The events of this run so far are not understood', { cause });
  }
}

const hashesOf = ({ events, files }: JobHistory): Set<string> =>
  new Set([events, ...files.map(({ sha256 }) => sha256)]);

/** Puts the log and files of a run that began elsewhere into a new job. @throws ParaError `blob`, `protocol` */
function takeHistory(draft: string, directory: string, { events, files }: JobHistory): void {
  demandBlobs([{ sha256: events }, ...files], 'file');
  const begun = readHistory(events, directory);
  const log = new EventLog(jobFiles(draft).events);
  try {
    for (const event of begun) log.copy(event);
  } finally {
    log.close();
  }
  for (const { file, sha256 } of files) {
    mkdirSync(dirname(join(draft, file)), { recursive: true });
    copyFileSync(blobPath(sha256), join(draft, file));
  }
}
