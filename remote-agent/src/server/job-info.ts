import { basename } from 'node:path';
import { readSpec, readStatus } from '../jobs/job.ts';
import { waitingJobs } from '../jobs/queue.ts';
import type { JobInfo } from '../protocol/contract.ts';

/** A job as clients see it. */
export function jobInfo(directory: string, waiting?: readonly string[]): JobInfo {
  const spec = readSpec(directory);
  const { state, step, steps, loss, error } = readStatus(directory);
  const place = (state === 'queued' ? (waiting ?? waitingJobs().map((j) => j.directory)) : []).indexOf(
    directory,
  );
  return {
    id: basename(directory),
    subject: spec.subject,
    method: spec.method.name,
    base: spec.base.name,
    createdAt: spec.createdAt,
    state,
    step,
    steps,
    ...(loss === undefined ? {} : { loss }),
    ...(error === undefined ? {} : { error }),
    ...(place < 0 ? {} : { queuePlace: place + 1 }),
  };
}
