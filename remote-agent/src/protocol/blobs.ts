import { type Static, Type } from '@sinclair/typebox';
import { Failure } from './contract.ts';
import { JobFile, JobId, Sha256 } from './names.ts';

const closed = { additionalProperties: false } as const;
const Size = Type.Integer({ minimum: 0 });

/**
 * What the client asks on the blob channel, one JSON line each, one after the other:
 * - `put`: the agent answers `offset` (what it has already; the size when it has all), the client sends the rest as
 *   bytes, the agent answers `done` once the hash is right.
 * - `get`: a result file of a job from an offset on; `sha256` is that of the part the client has. The agent answers
 *   `size`, `sha256` and `offset` (0 where the client's part is of another file), then sends the bytes from there.
 * - `fetch`: a blob, a drawn picture or an adapter by its hash, from an offset on; answered as `get` is.
 */
export const BlobRequest = Type.Union([
  Type.Object({ op: Type.Literal('put'), sha256: Sha256, size: Size }, closed),
  Type.Object(
    {
      op: Type.Literal('get'),
      job: JobId,
      file: JobFile,
      have: Type.Object({ size: Size, sha256: Sha256 }, closed),
    },
    closed,
  ),
  Type.Object({ op: Type.Literal('fetch'), sha256: Sha256, offset: Size }, closed),
]);
export type BlobRequest = Static<typeof BlobRequest>;

export const PutOffer = Type.Object({ offset: Size });
export const PutDone = Type.Object({ done: Type.Literal(true) });
export const GetOffer = Type.Object({ size: Size, sha256: Sha256, offset: Size });
export type GetOffer = Static<typeof GetOffer>;
export const BlobFailure = Type.Object({ error: Failure });
