import { type Static, Type } from '@sinclair/typebox';
import { BaseName, JobFile, JobId, RequestId, Sha256 } from '../names.ts';
import { Count, closed, Nothing, type Requests, Text } from './parts.ts';

/** An adapter that lies on the host: one that was put there, or a result of a job (its adapter, or a checkpoint). */
export const AdapterSource = Type.Union([
  Type.Object({ sha256: Sha256 }, closed),
  Type.Object({ job: JobId, file: Type.Optional(JobFile) }, closed),
]);
export type AdapterSource = Static<typeof AdapterSource>;

const AppliedAdapter = Type.Object(
  {
    source: AdapterSource,
    strength: Type.Number(),
    file: Type.String({
      maxLength: 4096,
      description: "what the picture's recipe says of its file; nothing is opened under this name",
    }),
    name: Type.Optional(Type.String({ maxLength: 1000, description: 'what the recipe calls it' })),
    hash: Type.Optional(Type.String({ maxLength: 100, description: 'what the recipe says of its content' })),
  },
  closed,
);
const Adapters = Type.Array(AppliedAdapter, { maxItems: 100 });

export const DrawRequest = Type.Object(
  {
    id: RequestId,
    base: BaseName,
    baseHash: Type.Optional(
      Type.String({
        pattern: '^[0-9a-f]{64}$',
        description: "refuse where the host's base of this name has other content",
      }),
    ),
    prompt: Text,
    negative: Text,
    seed: Type.Integer({ minimum: 0, description: 'of the first picture; picture k has seed + k' }),
    steps: Type.Integer({ minimum: 1, maximum: 10_000 }),
    guidance: Type.Number(),
    scheduler: Type.String({ maxLength: 100 }),
    eta: Type.Optional(Type.Number()),
    precision: Type.Optional(
      Type.Union([Type.Literal('auto'), Type.Literal('f32'), Type.Literal('f16')], {
        description:
          'what the U-Net is computed in; left out or auto: f16 where the device is faster so and the base is stored so',
      }),
    ),
    width: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
    height: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
    count: Type.Integer({ minimum: 1, maximum: 1000 }),
    adapters: Adapters,
    beside: Type.Optional(
      Type.Array(Adapters, {
        maxItems: 100,
        description:
          'adapters that later requests of a comparison draw with: all of it then shares one session',
      }),
    ),
    device: Type.Optional(
      Type.Union([Type.Literal('cpu'), Type.Literal('cuda'), Type.Literal('webgpu')], {
        description: 'left out: the GPU where the host has one, else the processor',
      }),
    ),
    previewEvery: Type.Optional(
      Type.Integer({ minimum: 1, description: 'a preview after so many steps, as a blob' }),
    ),
    lane: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9._-]{1,100}$',
        description: 'a newer request of the same lane cancels this one: the latest wins',
      }),
    ),
    idleSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 7 * 86_400,
        description: 'how long the base stays loaded after the last picture; default 600',
      }),
    ),
  },
  closed,
);
export type DrawRequest = Static<typeof DrawRequest>;

const Drawn = Type.Object({ seed: Count, sha256: Sha256, bytes: Count, width: Count, height: Count });

export const generationRequests = {
  'generation/draw': {
    about:
      'Draws pictures in a resident generator of this base and GPU, which is started when needed, shared by all clients, and ends after an idle time. Answers when the pictures are drawn; they are fetched over the blob channel as PNG files that say how they were made, the same bytes as drawn on that machine itself. Progress comes as notifications. Waits while training needs the memory, and says so; fails with `device` where memory is missing for good, with `cancelled` when cancelled.',
    repeatable: true,
    params: DrawRequest,
    result: Type.Object({ baseHash: Text, pictures: Type.Array(Drawn) }),
  },
  'generation/cancel': {
    about: 'Stops a drawing request after the step it is in. Nothing where it is over already.',
    repeatable: true,
    params: Type.Object({ id: RequestId }, closed),
    result: Nothing,
  },
} as const satisfies Requests;

const Step = { picture: Count, step: Count };
export const GenerationProgress = Type.Object({
  id: RequestId,
  progress: Type.Union([
    Type.Object({ at: Type.Literal('queued'), place: Count }),
    Type.Object({ at: Type.Literal('waiting'), reason: Text }),
    Type.Object({ at: Type.Literal('loading') }),
    Type.Object({ at: Type.Literal('step'), ...Step, steps: Count }),
    Type.Object({ at: Type.Literal('preview'), ...Step, sha256: Sha256, bytes: Count }),
  ]),
});
export type GenerationProgress = Static<typeof GenerationProgress>;
