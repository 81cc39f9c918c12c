import { type Static, Type } from '@sinclair/typebox';
import { BaseName, Sha256 } from './names.ts';

const closed = { additionalProperties: false } as const;
const Text = Type.String({ maxLength: 10_000 });
const Count = Type.Integer({ minimum: 0, maximum: 1e9 });
const oneOf = <T extends string>(...values: T[]) => Type.Union(values.map((v) => Type.Literal(v)));

const Picture = Type.Object({ sha256: Sha256, caption: Text }, closed);

const Method = Type.Object(
  {
    name: oneOf('para', 'lora'),
    layers: Type.Union([Text, Type.Array(Text, { maxItems: 10_000 })]),
    rank: Type.Optional(Count),
    gamma: Type.Optional(Type.Number()),
    init: oneOf('normal', 'kaiming'),
    alpha: Type.Optional(Type.Number()),
    scale: Type.Optional(Type.Union([Type.Number(), Type.Literal('paper')])),
  },
  closed,
);

const Training = Type.Object(
  {
    steps: Count,
    batch: Count,
    accumulation: Count,
    learningRate: Type.Number(),
    schedule: oneOf('constant', 'cosine', 'linear'),
    warmup: Count,
    memory: oneOf('auto', 'fast', 'lean'),
    precision: oneOf('auto', 'f32', 'f16'),
    optimizer: oneOf('adamw', 'sgd'),
    weightDecay: Type.Number(),
    beta1: Type.Number(),
    beta2: Type.Number(),
    epsilon: Type.Number(),
    clip: Type.Number(),
    seed: Type.Number(),
    minSnrGamma: Type.Union([Type.Number(), Type.Null()]),
    noiseOffset: Type.Number(),
    captionDropout: Type.Number(),
    resolution: Type.Union([Count, Type.Null()]),
    crop: oneOf('center', 'random', 'buckets'),
    crops: Count,
    flip: Type.Boolean(),
  },
  closed,
);

/** A training spec as it travels: pictures are blobs, the base is one the host has; no path is in it. */
export const WireSpec = Type.Object(
  {
    version: Type.Literal(1),
    subject: Text,
    trigger: Text,
    class: Text,
    base: Type.Object({ name: BaseName, hash: Type.String({ pattern: '^[0-9a-f]{8,64}$' }) }, closed),
    pictures: Type.Array(Picture, { maxItems: 10_000 }),
    validationPictures: Type.Array(Picture, { maxItems: 10_000 }),
    background: Type.String({ pattern: '^#[0-9a-fA-F]{6}$' }),
    thumbnail: Type.Boolean(),
    method: Method,
    training: Training,
    samples: Type.Object(
      {
        prompts: Type.Array(Text, { maxItems: 1000 }),
        every: Count,
        steps: Count,
        guidance: Type.Number(),
        scheduler: Type.String({ maxLength: 100 }),
        seed: Type.Number(),
        memory: oneOf('auto', 'beside', 'turns'),
      },
      closed,
    ),
    validation: Type.Object({ every: Count, timesteps: Count }, closed),
    checkpoints: Type.Object(
      { every: Count, keep: Type.Array(Count, { maxItems: 10_000 }), best: Type.Boolean() },
      closed,
    ),
    device: oneOf('cpu', 'cuda', 'webgpu'),
    createdAt: Type.String({ maxLength: 40 }),
  },
  closed,
);
export type WireSpec = Static<typeof WireSpec>;
