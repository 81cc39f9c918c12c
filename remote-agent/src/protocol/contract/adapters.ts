import { type Static, Type } from '@sinclair/typebox';
import { BaseName, JobId, Sha256 } from '../names.ts';
import { AdapterSource } from './generation.ts';
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

/** A file of an export, relative to its folder: a host cannot name a place outside it. */
const ExportedName = Type.String({ pattern: '^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$' });

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
  'adapters/export': {
    about:
      "Writes an adapter in another tool's layout, with the weights of the host's base where they are needed. The files are fetched over the blob channel by their hash; a layout of one file names it with the empty string.",
    repeatable: true,
    params: Type.Object(
      {
        source: AdapterSource,
        base: BaseName,
        format: Type.Union([Type.Literal('peft'), Type.Literal('diffusers'), Type.Literal('kohya')]),
        as: Type.Optional(Type.Literal('lora')),
        names: Type.Optional(Type.Union([Type.Literal('ldm'), Type.Literal('diffusers')])),
      },
      closed,
    ),
    result: Type.Object({
      method: Text,
      files: Type.Array(Type.Object({ name: ExportedName, sha256: Sha256, bytes: Count }), { maxItems: 100 }),
    }),
  },
} as const satisfies Requests;
