import type { Digest } from '../common/download.ts';
import { ParaError } from '../common/errors.ts';
import { shownAddress, textOf } from '../common/http.ts';
import { type Credential, get, refusal } from './fetch.ts';
import { safeUrl } from './source.ts';

/** A file of a model on a hub. */
export interface HubFile {
  readonly path: string;
  readonly size: number | undefined;
  readonly digest: Digest | undefined;
}

/** A model of a hub at one commit. */
export interface HubListing {
  /** Commit, or the revision that was asked for where the hub does not tell. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/**
 * Lists the files of a model, with sizes and hashes where the hub knows them.
 * @throws ParaError `download`
 */
export async function listModel(
  endpoint: URL,
  repository: string,
  revision: string | undefined,
  credential: Credential | undefined,
  signal: AbortSignal | undefined,
): Promise<HubListing> {
  const at = revision === undefined ? '' : `/revision/${encodeURIComponent(revision)}`;
  const url = safeUrl(`${endpoint.href.replace(/\/$/, '')}/api/models/${repository}${at}?blobs=true`);
  const answer = await get(url, { credential, signal });
  if (answer.status !== 200) {
    await answer.body.dump();
    throw (
      refusal(answer.status, url, credential !== undefined) ??
      new ParaError('download', `The hub answers with ${answer.status}`, {
        where: shownAddress(url),
        hint: 'try again later',
      })
    );
  }
  const fail = (what: string) =>
    new ParaError('download', `The hub's list of files is not understood: ${what}`, {
      where: shownAddress(url),
    });
  const text = await textOf(answer);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw fail('it is no JSON');
  }
  const { sha, siblings } = (json ?? {}) as { sha?: unknown; siblings?: unknown };
  if (!Array.isArray(siblings)) throw fail('it names no files');
  return {
    commit: typeof sha === 'string' && /^[0-9a-f]{40,64}$/.test(sha) ? sha : (revision ?? 'main'),
    files: siblings.flatMap(fileOf),
  };
}

function fileOf(entry: unknown): HubFile[] {
  const { rfilename, size, blobId, lfs } = (entry ?? {}) as Record<string, unknown>;
  if (typeof rfilename !== 'string') return [];
  const large = (lfs ?? {}) as { sha256?: unknown; oid?: unknown; size?: unknown };
  const sha256 = large.sha256 ?? large.oid;
  const bytes = large.size ?? size;
  const digest: Digest | undefined =
    typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256)
      ? { kind: 'sha256', hex: sha256 }
      : typeof blobId === 'string' && /^[0-9a-f]{40}$/.test(blobId)
        ? { kind: 'git', hex: blobId }
        : undefined;
  return [{ path: rfilename, size: Number.isSafeInteger(bytes) ? (bytes as number) : undefined, digest }];
}
