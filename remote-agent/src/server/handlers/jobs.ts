import { readdirSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { continueTo } from '../../jobs/continue.ts';
import { jobFiles, readSpec, readStatus } from '../../jobs/job.ts';
import { kick } from '../../jobs/kick.ts';
import { isTended } from '../../jobs/liveness.ts';
import { cancel, enqueue, moveTo } from '../../jobs/queue.ts';
import { toWireSpec } from '../../jobs/wire.ts';
import type { jobRequests } from '../../protocol/contract/jobs.ts';
import { isJobFile } from '../../protocol/names.ts';
import { baseHash } from '../bases/hashes.ts';
import { registeredBase } from '../bases/places.ts';
import { runTask } from '../bases/run-task.ts';
import { deleteWithBlobs } from '../delete-job.ts';
import { endOf } from '../end-of-file.ts';
import { fileOfJob, findJob } from '../find-job.ts';
import { submitJob } from '../submit-job.ts';
import type { HandlersOf, ServerContext } from './context.ts';

function resume(id: string, steps: number | undefined, stretch: boolean, client: string): void {
  const directory = findJob(id);
  const { state, step } = readStatus(directory);
  if (state === 'running' && isTended(jobFiles(directory))) {
    if (steps === undefined || steps === readSpec(directory).training.steps) return;
    throw new ParaError('locked', `The job "${id}" is running`, {
      hint: 'continue it to more steps when it has ended, or cancel it first',
    });
  }
  if (steps !== undefined) continueTo(directory, steps, stretch);
  if (state === 'finished' && step >= readSpec(directory).training.steps) return;
  enqueue(directory, client);
}

export function jobHandlers(context: ServerContext): HandlersOf<typeof jobRequests> {
  const { bundle, infos, client } = context;
  const info = (id: string) => infos.of(findJob(id));
  return {
    'jobs/plan': ({ spec }) => {
      registeredBase(spec.base.name);
      return runTask(bundle, { task: 'plan', spec });
    },
    'jobs/submit': async (submission) => {
      submitJob(submission, await baseHash(submission.spec.base.name, bundle), client());
      await kick(bundle);
      return info(submission.id);
    },
    'jobs/spec': ({ id }) => ({ spec: toWireSpec(readSpec(findJob(id))) }),
    'jobs/list': ({ skip, limit }) => infos.list(skip ?? 0, limit ?? 1000),
    'jobs/status': ({ id }) => info(id),
    'jobs/cancel': ({ id }) => {
      cancel(findJob(id));
      return info(id);
    },
    'jobs/resume': async ({ id, steps, stretch }) => {
      resume(id, steps, stretch ?? false, client());
      await kick(bundle);
      return info(id);
    },
    'jobs/move': ({ id, place }) => {
      findJob(id);
      moveTo(id, place);
      return info(id);
    },
    'jobs/delete': async ({ id }) => ({ freedBytes: await deleteWithBlobs(id) }),
    'jobs/files': ({ id }) => {
      const directory = findJob(id);
      const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(isJobFile).sort();
      const files = names.flatMap((file) => {
        const path = fileOfJob(directory, file);
        return path ? [{ file, bytes: statSync(path).size }] : [];
      });
      return { files };
    },
    'jobs/log': ({ id, bytes }) => {
      const directory = findJob(id);
      const log = fileOfJob(directory, basename(jobFiles(directory).log));
      return { text: log ? endOf(log, bytes) : '' };
    },
  };
}
