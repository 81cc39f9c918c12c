import { type Static, Type } from '@sinclair/typebox';
import { Failure } from './contract.ts';
import { JobFile, JobId, Sha256 } from './names.ts';

const closed = { additionalProperties: false } as const;
const Size = Type.Integer({ minimum: 0 });

const acks = Type.Optional(
  Type.Boolean({
    description:
      'the client says what has arrived (`got`), and no more is under way than the link holds (from protocol 2 on)',
  }),
);

/** What the client asks on the blob channel, one JSON line each, one after the other. */
export const BlobRequest = Type.Union([
  Type.Object(
    { op: Type.Literal('put'), sha256: Sha256, size: Size },
    {
      ...closed,
      description:
        'Sends a blob. The agent answers `offset` (what it has already; the size when it has all), the client sends the rest as bytes, the agent answers `done` once the hash is right. Where another connection sends the same blob, the agent answers when that has ended, or was silent for ten seconds.',
    },
  ),
  Type.Object(
    {
      op: Type.Literal('get'),
      job: JobId,
      file: JobFile,
      have: Type.Object(
        { size: Size, sha256: Sha256 },
        { ...closed, description: 'the part that the client has, and its hash' },
      ),
      acks,
    },
    {
      ...closed,
      description:
        "A result file of a job. The agent answers `size`, `sha256` and `offset` (0 where the client's part is of another file), then sends the bytes from there.",
    },
  ),
  Type.Object(
    { op: Type.Literal('fetch'), sha256: Sha256, offset: Size, acks },
    {
      ...closed,
      description:
        'A blob, a drawn picture or an adapter by its hash, from an offset on; answered as `get` is.',
    },
  ),
]);
export type BlobRequest = Static<typeof BlobRequest>;

export const PutOffer = Type.Object({ offset: Size });
export const PutDone = Type.Object({ done: Type.Literal(true) });
export const GetOffer = Type.Object({ size: Size, sha256: Sha256, offset: Size });
export type GetOffer = Static<typeof GetOffer>;
export const BlobFailure = Type.Object({ error: Failure });
/** What the client says while it receives: so many more bytes have arrived. */
export const Ack = Type.Object({ got: Type.Integer({ minimum: 1 }) }, closed);
