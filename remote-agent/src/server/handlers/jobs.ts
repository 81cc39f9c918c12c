import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { openBase } from '../../diffusion/base.ts';
import { baseFolders } from '../../diffusion/base-places.ts';
import { blobPath, hasBlob } from '../../jobs/blob-store.ts';
import { continueTo } from '../../jobs/continue.ts';
import { EventLog } from '../../jobs/event-log.ts';
import { createJob, jobFiles, listRuns, readSpec, readStatus, runsFolder } from '../../jobs/job.ts';
import { cancel, enqueue, isTended, moveTo, readEntry, waitingJobs } from '../../jobs/queue.ts';
import { kick } from '../../jobs/supervisor.ts';
import { fromWire, toWireSpec } from '../../jobs/wire.ts';
import type { JobHistory, jobRequests } from '../../protocol/contract/jobs.ts';
import { WireEvent } from '../../protocol/events.ts';
import { isJobFile, isJobId } from '../../protocol/names.ts';
import type { WireSpec } from '../../protocol/spec.ts';
import { isValid } from '../../protocol/validate.ts';
import type { TrainSpec } from '../../subject/train-spec.ts';
import { findJob } from '../find-job.ts';
import { jobInfo } from '../job-info.ts';
import type { HandlersOf, ServerContext } from './context.ts';

/** The spec as the trainer reads it: blobs become paths of this host. @throws ParaError for a base or blob not here */
function localSpec(spec: WireSpec): TrainSpec {
  const known = baseFolders().some((base) => base.name === spec.base.name);
  if (!known)
    throw new ParaError('base', `The host has no base "${spec.base.name}"`, {
      hint: 'put its folder under bases/ of the agent on the host',
    });
  const { hash } = openBase(spec.base.name);
  if (hash !== spec.base.hash)
    throw new ParaError('base', `The host's base "${spec.base.name}" is not the one this job was made for`, {
      where: `here ${hash.slice(0, 12)}, wanted ${spec.base.hash.slice(0, 12)}`,
    });
  const placed = (pictures: WireSpec['pictures']) =>
    pictures.map(({ sha256, caption }) => {
      if (!hasBlob(sha256))
        throw new ParaError('blob', 'A picture of this job was not sent', { where: sha256 });
      return { file: blobPath(sha256), sha256, caption };
    });
  return {
    ...spec,
    pictures: placed(spec.pictures),
    validationPictures: placed(spec.validationPictures),
  };
}

function submit(id: string, spec: WireSpec, history: JobHistory | undefined): void {
  const directory = join(runsFolder(), id);
  const wanted = localSpec(spec);
  if (existsSync(jobFiles(directory).spec)) {
    const { training, ...rest } = readSpec(directory);
    // A run that was continued has other steps than it was submitted with.
    const same = JSON.stringify({ ...rest, training: { ...training, steps: 0 } });
    if (same !== JSON.stringify({ ...rest, ...wanted, training: { ...wanted.training, steps: 0 } }))
      throw new ParaError('exists', `The host has another job "${id}"`, { hint: 'submit under another id' });
  } else {
    // Under another name until it is whole: a cut leaves no half of a job.
    const draft = join(runsFolder(), `.${id}.draft`);
    rmSync(draft, { recursive: true, force: true });
    createJob(draft, wanted);
    if (history) takeHistory(draft, directory, history);
    renameSync(draft, directory);
  }
  if (readEntry(directory) === undefined) enqueue(directory);
}

/** Puts the log and files of a run that began elsewhere into a new job. @throws ParaError `blob`, `protocol` */
function takeHistory(draft: string, directory: string, { events, files }: JobHistory): void {
  for (const { sha256 } of [{ sha256: events }, ...files])
    if (!hasBlob(sha256)) throw new ParaError('blob', 'A file of this job was not sent', { where: sha256 });
  const log = new EventLog(jobFiles(draft).events);
  try {
    for (const line of readFileSync(blobPath(events), 'utf8').trimEnd().split('\n')) {
      const event: unknown = JSON.parse(line);
      if (!isValid(WireEvent, event)) throw new RangeError('no event');
      log.copy(fromWire(event, directory));
    }
  } catch (cause) {
    throw new ParaError('protocol', 'The events of this run so far are not understood', { cause });
  } finally {
    log.close();
  }
  for (const { file, sha256 } of files) {
    mkdirSync(dirname(join(draft, file)), { recursive: true });
    copyFileSync(blobPath(sha256), join(draft, file));
  }
}

function resume(id: string, steps: number | undefined, stretch: boolean): void {
  const directory = findJob(id);
  const { state, step } = readStatus(directory);
  if (state === 'queued' || (state === 'running' && isTended(directory))) return;
  if (steps !== undefined) continueTo(directory, steps, stretch);
  if (state === 'finished' && step >= readSpec(directory).training.steps) return;
  enqueue(directory);
}

function remove(id: string): number {
  const directory = join(runsFolder(), id);
  if (!isJobId(id) || !existsSync(directory)) return 0;
  if (isTended(directory))
    throw new ParaError('locked', `The job "${id}" is running`, { hint: 'cancel it first' });
  let freed = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const stat = lstatSync(join(directory, name));
    if (stat.isFile()) freed += stat.size;
  }
  rmSync(directory, { recursive: true, force: true });
  return freed;
}

function endOf(path: string, bytes: number): string {
  if (!existsSync(path)) return '';
  return readFileSync(path).subarray(-bytes).toString('utf8');
}

export function jobHandlers({ bundle }: ServerContext): HandlersOf<typeof jobRequests> {
  const info = (id: string) => jobInfo(findJob(id));
  return {
    'jobs/submit': ({ id, spec, history }) => {
      submit(id, spec, history);
      kick(bundle);
      return info(id);
    },
    'jobs/spec': ({ id }) => ({ spec: toWireSpec(readSpec(findJob(id))) }),
    'jobs/list': () => {
      const waiting = waitingJobs().map((job) => job.directory);
      return { jobs: listRuns().map(({ directory }) => jobInfo(directory, waiting)) };
    },
    'jobs/status': ({ id }) => info(id),
    'jobs/cancel': ({ id }) => {
      cancel(findJob(id));
      return info(id);
    },
    'jobs/resume': ({ id, steps, stretch }) => {
      resume(id, steps, stretch ?? false);
      kick(bundle);
      return info(id);
    },
    'jobs/move': ({ id, place }) => {
      const directory = findJob(id);
      if (readStatus(directory).state === 'queued') moveTo(directory, place);
      return info(id);
    },
    'jobs/delete': ({ id }) => ({ freedBytes: remove(id) }),
    'jobs/files': ({ id }) => {
      const directory = findJob(id);
      const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(isJobFile).sort();
      return { files: files.map((file) => ({ file, bytes: statSync(join(directory, file)).size })) };
    },
    'jobs/log': ({ id, bytes }) => ({ text: endOf(jobFiles(findJob(id)).log, bytes) }),
  };
}
