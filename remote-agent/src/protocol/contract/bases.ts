import { type Static, Type } from '@sinclair/typebox';
import { BaseFile, BaseName, RequestId, Sha256 } from '../names.ts';
import { Count, closed, Nothing, type Requests, Text } from './parts.ts';

const Base = Type.Object({ name: BaseName }, closed);
const Name = Type.Optional(Text);

/** A base of the host; where it cannot be opened, `problem` says why and `hash` is empty. */
export const BaseInfo = Type.Object({
  name: Text,
  hash: Text,
  bytes: Count,
  architecture: Name,
  width: Type.Optional(Count),
  height: Type.Optional(Count),
  shipped: Type.Boolean({ description: 'came with the agent; cannot be deleted' }),
  problem: Name,
});
export type BaseInfo = Static<typeof BaseInfo>;

const Port = Type.Object({
  name: Text,
  type: Text,
  dims: Type.Array(Type.Union([Type.Integer(), Type.Null()])),
});

/** What a check found: the same as on the machine itself. Sizes in bytes and pixels. */
export const BaseCheck = Type.Object({
  name: Text,
  hash: Type.Optional(Text),
  facts: Type.Optional(
    Type.Object({
      architecture: Text,
      width: Count,
      height: Count,
      sizeStep: Count,
      latentChannels: Count,
      vaeFactor: Count,
      scalingFactor: Type.Number(),
      predictionType: Text,
      tokens: Type.Array(Count),
    }),
  ),
  parts: Type.Array(
    Type.Object({
      name: Text,
      bytes: Count,
      parameters: Count,
      precision: Type.Array(Text),
      opset: Count,
      exporter: Text,
      inputs: Type.Array(Port),
      outputs: Type.Array(Port),
      notes: Type.Array(Text),
    }),
  ),
  layers: Type.Optional(
    Type.Object({
      linear: Count,
      conv: Count,
      presets: Type.Record(Type.String(), Count),
      unnamed: Type.Array(Text),
    }),
  ),
  memory: Type.Optional(
    Type.Object({
      unetWeights: Type.Number(),
      generation: Type.Number(),
      training: Type.Optional(Type.Number()),
      leanTraining: Type.Optional(Type.Number()),
    }),
  ),
  weights: Type.Optional(
    Type.Array(
      Type.Object({
        file: Text,
        bytes: Count,
        sha256: Sha256,
        autoV1: Type.String({ pattern: '^[0-9a-f]{8}$', description: "A1111's older hash of a model" }),
      }),
      { description: "files that hold the weights and are not the base's own, where `full` asked for them" },
    ),
  ),
  problems: Type.Array(Type.Object({ part: Text, what: Text, hint: Type.Optional(Text), prevents: Text })),
});
export type BaseCheck = Static<typeof BaseCheck>;

const Address = Type.String({ maxLength: 2000, pattern: '^https?://' });
const Token = Type.Optional(
  Type.String({
    maxLength: 1000,
    pattern: '^[!-~]+$',
    description: 'sent to this origin alone, kept in memory alone, never logged',
  }),
);

/** Where a base comes from. */
export const BaseSource = Type.Union([
  Type.Object(
    {
      kind: Type.Literal('path'),
      path: Type.String({
        minLength: 1,
        maxLength: 4096,
        description: 'folder of a base, or checkpoint, on the host, absolute; read only',
      }),
      vae: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 4096,
          description: "for a checkpoint: file of the host with the VAE to take instead of the checkpoint's",
        }),
      ),
      textEncoders: Type.Optional(BaseName),
      prediction: Type.Optional(Type.Union([Type.Literal('epsilon'), Type.Literal('v')])),
      zeroTerminalSnr: Type.Optional(Type.Boolean()),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('upload'),
      files: Type.Array(Type.Object({ path: BaseFile, sha256: Sha256 }, closed), {
        minItems: 1,
        maxItems: 20_000,
        description: 'files of the base, sent before as blobs',
      }),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('url'),
      url: Address,
      sha256: Type.Optional(Sha256),
      token: Token,
    },
    { ...closed, description: 'a .safetensors checkpoint, or a .zip, .tar or .tar.gz of a base' },
  ),
  Type.Object(
    {
      kind: Type.Literal('hub'),
      repository: Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$',
        description: 'owner/name',
      }),
      revision: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$' })),
      endpoint: Type.Optional(Address),
      token: Token,
      file: Type.Optional(
        Type.String({
          maxLength: 400,
          pattern: '\\.[sS][aA][fF][eE][tT][eE][nN][sS][oO][rR][sS]$',
          description: "a checkpoint in one file; else the repository's base is looked for",
        }),
      ),
    },
    closed,
  ),
]);
export type BaseSource = Static<typeof BaseSource>;

export const baseRequests = {
  'bases/list': {
    about: 'Bases registered on the host, with the hashes of their content, sizes and kinds.',
    repeatable: true,
    params: Nothing,
    result: Type.Object({ bases: Type.Array(BaseInfo) }),
  },
  'bases/check': {
    about:
      'Loads every part of a base and reports what was found, problems included; with `full` every byte of weights outside its folder is read and held against what was read before.',
    repeatable: true,
    params: Type.Object({ name: BaseName, full: Type.Optional(Type.Boolean()) }, closed),
    result: BaseCheck,
  },
  'bases/delete': {
    about:
      'Deletes a base from the host. Fails with `locked` while a job that waits or runs needs it, and for those that came with the agent.',
    repeatable: true,
    params: Base,
    result: Type.Object({ freedBytes: Count }),
  },
  'bases/import': {
    about:
      'Registers a base under a name: from a folder or checkpoint on the host, from blobs sent before, from a checkpoint or archive at an address, or from a hub of models. Answers when it is there; either all of it is, or nothing. Downloads go on where they were cut off when the request is repeated, and are held to their hashes where those are known. The same id again does no more than once.',
    repeatable: true,
    params: Type.Object({ id: RequestId, name: Type.Optional(BaseName), source: BaseSource }, closed),
    result: BaseInfo,
  },
  'bases/cancel': {
    about: 'Stops an import; what was downloaded is kept for the next try. Nothing where it is over already.',
    repeatable: true,
    params: Type.Object({ id: RequestId }, closed),
    result: Nothing,
  },
} as const satisfies Requests;

export const BaseProgress = Type.Object({
  id: RequestId,
  phase: Type.Union(
    ['listing', 'downloading', 'unpacking', 'placing', 'checking'].map((name) => Type.Literal(name)),
  ),
  file: Type.Optional(Text),
  doneBytes: Count,
  totalBytes: Type.Optional(Count),
});
export type BaseProgress = Static<typeof BaseProgress>;
