import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { WireEvent } from './events.ts';
import { BaseName, JobFile, JobId, Sha256 } from './names.ts';
import { WireSpec } from './spec.ts';

const closed = { additionalProperties: false } as const;
const Count = Type.Integer({ minimum: 0 });
const Text = Type.String({ maxLength: 100_000 });
const Nothing = Type.Object({}, closed);
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
  lastSeq: Type.Optional(Type.Integer({ minimum: 0, description: 'number of the last event' })),
});
export type JobInfo = Static<typeof JobInfo>;

const Gpu = Type.Object({ name: Text, memoryBytes: Count, freeBytes: Count, driver: Text });

export const HostFacts = Type.Object({
  platform: Text,
  arch: Text,
  libc: Text,
  node: Text,
  agent: Text,
  cpus: Count,
  cpuModel: Text,
  memoryBytes: Count,
  freeMemoryBytes: Count,
  diskFreeBytes: Count,
  home: Text,
  gpus: Type.Array(Gpu),
  /** What the host does to processes of a closed login, as far as it tells. */
  killsUserProcesses: Type.Union([Type.Boolean(), Type.Null()]),
});
export type HostFacts = Static<typeof HostFacts>;

const FileInfo = Type.Object({ file: JobFile, bytes: Count });
const Job = Type.Object({ id: JobId }, closed);

/** One request: what goes in, what comes out, what it is for; `repeatable`: sent twice, it does no more than once. */
interface Request {
  readonly params: TSchema;
  readonly result: TSchema;
  readonly about: string;
  readonly repeatable: boolean;
}

/** Every request a client may send. The documentation page of the protocol is made from this table. */
export const requests = {
  handshake: {
    about: 'Must come first. Both sides name the protocols they speak; the newest common one is used.',
    repeatable: true,
    params: Type.Object({ newest: Count, oldest: Count, client: Type.String({ maxLength: 200 }) }, closed),
    result: Type.Object({ newest: Count, oldest: Count, agent: Text, home: Text, notes: Type.Array(Text) }),
  },
  ping: {
    about: 'Shows that the way there and back works.',
    repeatable: true,
    params: Nothing,
    result: Nothing,
  },
  'host/facts': {
    about: 'Processor, GPUs, memory, disk and versions of the host.',
    repeatable: true,
    params: Nothing,
    result: HostFacts,
  },
  'bases/list': {
    about: 'Bases registered on the host, with the hashes of their content.',
    repeatable: true,
    params: Nothing,
    result: Type.Object({ bases: Type.Array(Type.Object({ name: BaseName, hash: Text })) }),
  },
  'blobs/missing': {
    about: 'Which of these blobs the host does not have yet.',
    repeatable: true,
    params: Type.Object({ hashes: Type.Array(Sha256, { maxItems: 20_000 }) }, closed),
    result: Type.Object({ missing: Type.Array(Sha256) }),
  },
  'jobs/submit': {
    about: 'Makes a job and queues it. The same id with the same spec again is the same job.',
    repeatable: true,
    params: Type.Object({ id: JobId, spec: WireSpec }, closed),
    result: JobInfo,
  },
  'jobs/list': {
    about: 'All jobs of the host, newest first.',
    repeatable: true,
    params: Nothing,
    result: Type.Object({ jobs: Type.Array(JobInfo) }),
  },
  'jobs/status': { about: 'One job.', repeatable: true, params: Job, result: JobInfo },
  'jobs/cancel': {
    about: 'Takes a job from the queue, or asks its trainer to save its state and stop.',
    repeatable: true,
    params: Job,
    result: JobInfo,
  },
  'jobs/resume': {
    about: 'Queues a stopped, failed or interrupted job again, or a finished one to more steps.',
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
    about: 'Moves a waiting job to a place in the queue, from 1.',
    repeatable: true,
    params: Type.Object({ id: JobId, place: Type.Integer({ minimum: 1 }) }, closed),
    result: JobInfo,
  },
  'jobs/delete': {
    about: 'Deletes a job that does not run, with all its files.',
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
    about: "The end of a job's log.",
    repeatable: true,
    params: Type.Object({ id: JobId, bytes: Type.Integer({ minimum: 1, maximum: 1 << 20 }) }, closed),
    result: Type.Object({ text: Type.String() }),
  },
  'events/subscribe': {
    about:
      'Sends the events of a job from a number on, then each new one as it happens. `last` is the time of event fromSeq - 1 as the client has it: where the log says otherwise (a power cut took its end), all is sent again from 1 and `restarted` is true.',
    repeatable: true,
    params: Type.Object(
      {
        id: JobId,
        fromSeq: Type.Integer({ minimum: 1 }),
        last: Type.Optional(Type.String({ maxLength: 40 })),
      },
      closed,
    ),
    result: Type.Object({ subscription: Type.Integer(), restarted: Type.Boolean() }),
  },
  'events/unsubscribe': {
    about: 'Ends a subscription.',
    repeatable: true,
    params: Type.Object({ subscription: Type.Integer() }, closed),
    result: Nothing,
  },
} as const satisfies Record<string, Request>;

/** Every notification an agent may send. */
export const notifications = {
  events: {
    about: 'Events of a subscription, in order, and the state of the job after them.',
    params: Type.Object({
      subscription: Type.Integer(),
      events: Type.Array(WireEvent, { maxItems: 10_000 }),
      job: Type.Optional(JobInfo),
    }),
  },
} as const satisfies Record<string, { readonly params: TSchema; readonly about: string }>;

export type Method = keyof typeof requests;
export type Params<M extends Method> = Static<(typeof requests)[M]['params']>;
export type Result<M extends Method> = Static<(typeof requests)[M]['result']>;
export type Notice = keyof typeof notifications;
export type NoticeParams<N extends Notice> = Static<(typeof notifications)[N]['params']>;

/** What a failed request carries: the same as the house's typed errors. */
export const Failure = Type.Object({
  code: Type.String({ maxLength: 100 }),
  what: Text,
  where: Type.Optional(Text),
  hint: Type.Optional(Text),
});
export type Failure = Static<typeof Failure>;
