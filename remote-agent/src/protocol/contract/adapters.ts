import { type Static, Type } from '@sinclair/typebox';
import { JobId, Sha256 } from '../names.ts';
import { Count, closed, Nothing, type Requests, Text } from './parts.ts';

/** An adapter on the host, by what generation takes as its source. */
export const AdapterInfo = Type.Object({
  source: Type.Union([Type.Object({ sha256: Sha256 }), Type.Object({ job: JobId })]),
  name: Text,
  method: Text,
  base: Type.Object({ name: Type.Optional(Text), hash: Type.Optional(Text) }),
  subject: Type.Optional(Text),
  steps: Type.Optional(Count),
  bytes: Count,
  createdAt: Type.Optional(Text),
});
export type AdapterInfo = Static<typeof AdapterInfo>;

export const adapterRequests = {
  'adapters/list': {
    about: 'Adapters that generation can apply: those of jobs, newest first, then those that were put here.',
    repeatable: true,
    params: Nothing,
    result: Type.Object({ adapters: Type.Array(AdapterInfo) }),
  },
  'adapters/put': {
    about:
      'Registers a blob as an adapter. Fails with `adapter` or `safetensors` where its bytes are none. Put adapters are fetched over the blob channel by their hash, those of jobs as files of the job.',
    repeatable: true,
    params: Type.Object(
      {
        sha256: Sha256,
        name: Type.String({ minLength: 1, maxLength: 200, description: 'shown in lists, never a path' }),
      },
      closed,
    ),
    result: AdapterInfo,
  },
} as const satisfies Requests;
