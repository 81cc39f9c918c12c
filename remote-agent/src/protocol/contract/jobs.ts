import { type Static, Type } from '@sinclair/typebox';
import { JobFile, JobId, Sha256 } from '../names.ts';
import { WireSpec } from '../spec.ts';
import { Count, closed, type Requests, Text } from './parts.ts';

const state = (...names: string[]) => Type.Union(names.map((n) => Type.Literal(n)));

/** State of a job; `interrupted`: its trainer and supervisor are gone without saying so (a reboot, a kill). */
const State = state('queued', 'running', 'stopped', 'finished', 'failed', 'interrupted');

export const JobInfo = Type.Object({
  id: JobId,
  subject: Text,
  method: Text,
  base: Text,
  createdAt: Text,
  state: State,
  step: Count,
  steps: Count,
  loss: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
  error: Type.Optional(Text),
  queuePlace: Type.Optional(Type.Integer({ minimum: 1, description: 'place among the waiting, from 1' })),
});
export type JobInfo = Static<typeof JobInfo>;

const FileInfo = Type.Object({ file: JobFile, bytes: Count });
const Job = Type.Object({ id: JobId }, closed);

/** A run that began elsewhere: blobs of its event log (files relative) and of its files. */
const JobHistory = Type.Object(
  {
    events: Sha256,
    files: Type.Array(Type.Object({ file: JobFile, sha256: Sha256 }, closed), { maxItems: 100_000 }),
  },
  closed,
);
export type JobHistory = Static<typeof JobHistory>;

/** How a run would be held in memory. */
export const RunMemory = Type.Object({
  mode: Type.Union([Type.Literal('fast'), Type.Literal('lean')]),
  turns: Type.Boolean({ description: 'training, validation and sampler are loaded one at a time' }),
  neededBytes: Type.Number(),
  freeBytes: Type.Optional(Type.Number({ description: 'absent where the device does not tell' })),
  note: Type.Optional(Text),
});
export type RunMemory = Static<typeof RunMemory>;

export const jobRequests = {
  'jobs/plan': {
    about:
      'How a run would be held in the memory that is free now; refused with `memory` where the device could not hold it even with nothing else on it. Pictures need not be there yet. Since protocol 3.',
    repeatable: true,
    params: Type.Object({ spec: WireSpec }, closed),
    result: RunMemory,
  },
  'jobs/submit': {
    about:
      'Makes a job and queues it. The same id with the same spec again is the same job. With `history` it goes on from what it did elsewhere.',
    repeatable: true,
    params: Type.Object({ id: JobId, spec: WireSpec, history: Type.Optional(JobHistory) }, closed),
    result: JobInfo,
  },
  'jobs/spec': {
    about: 'The spec of a job, as it would be submitted.',
    repeatable: true,
    params: Job,
    result: Type.Object({ spec: WireSpec }),
  },
  'jobs/list': {
    about: 'Jobs of the host, newest first, and how many there are; 1000 unless said otherwise.',
    repeatable: true,
    params: Type.Object(
      {
        skip: Type.Optional(Count),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 5000 })),
      },
      closed,
    ),
    result: Type.Object({ jobs: Type.Array(JobInfo), total: Type.Optional(Count) }),
  },
  'jobs/status': { about: 'One job.', repeatable: true, params: Job, result: JobInfo },
  'jobs/cancel': {
    about: 'Takes a job from the queue, or asks its trainer to save its state and stop.',
    repeatable: true,
    params: Job,
    result: JobInfo,
  },
  'jobs/resume': {
    about:
      'Queues a stopped, failed or interrupted job again, or a finished one to more steps. An interrupted job goes before all that wait.',
    repeatable: true,
    params: Type.Object(
      {
        id: JobId,
        steps: Type.Optional(Count),
        stretch: Type.Optional(
          Type.Boolean({ description: 'agree that a falling learning rate is stretched' }),
        ),
      },
      closed,
    ),
    result: JobInfo,
  },
  'jobs/move': {
    about: 'Moves a waiting job to a place in the queue, from 1; the last where there are fewer.',
    repeatable: true,
    params: Type.Object({ id: JobId, place: Type.Integer({ minimum: 1 }) }, closed),
    result: JobInfo,
  },
  'jobs/delete': {
    about:
      'Deletes a job that does not run, with all its files and the blobs that no other job or adapter names.',
    repeatable: true,
    params: Job,
    result: Type.Object({ freedBytes: Count }),
  },
  'jobs/files': {
    about: 'Result files of a job; their bytes come over the blob channel.',
    repeatable: true,
    params: Job,
    result: Type.Object({ files: Type.Array(FileInfo) }),
  },
  'jobs/log': {
    about: "The end of a job's log, without what looks like a secret.",
    repeatable: true,
    params: Type.Object({ id: JobId, bytes: Type.Integer({ minimum: 1, maximum: 1 << 20 }) }, closed),
    result: Type.Object({ text: Type.String() }),
  },
} as const satisfies Requests;
