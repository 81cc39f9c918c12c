import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { adapterRequests } from './contract/adapters.ts';
import { BaseProgress, baseRequests } from './contract/bases.ts';
import { blobRequests } from './contract/blobs.ts';
import { eventRequests } from './contract/events.ts';
import { GenerationProgress, generationRequests } from './contract/generation.ts';
import { hostRequests } from './contract/host.ts';
import { JobInfo, jobRequests } from './contract/jobs.ts';
import { type Requests, Text } from './contract/parts.ts';
import { WireEvent } from './events.ts';

export { HostFacts } from './contract/host.ts';
export { JobInfo } from './contract/jobs.ts';

/** Every request a client may send. The documentation page of the protocol is made from this table. */
export const requests = {
  ...hostRequests,
  ...baseRequests,
  ...blobRequests,
  ...jobRequests,
  ...eventRequests,
  ...generationRequests,
  ...adapterRequests,
} as const satisfies Requests;

/** Every notification an agent may send. */
export const notifications = {
  events: {
    about: 'Events of a subscription, in order, and the state of the job after them.',
    params: Type.Object({
      subscription: Type.Integer(),
      events: Type.Array(WireEvent, { maxItems: 10_000 }),
      job: Type.Optional(JobInfo),
      ended: Type.Optional(
        Type.Boolean({ description: 'the job was deleted: nothing more comes of this subscription' }),
      ),
    }),
  },
  'generation/progress': {
    about:
      'How far a drawing request is: waiting, loading, each step, previews. The last comes before its answer.',
    params: GenerationProgress,
  },
  'bases/progress': {
    about: 'How far the import of a base is, at most a few times a second.',
    params: BaseProgress,
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
