import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { hashFile } from '../common/hash.ts';
import { type CheckpointChoices, openOrDescribe } from '../diffusion/base-import.ts';
import { type MovedFile, movedFiles } from '../diffusion/base-moving.ts';
import { baseNameOf, paraHome } from '../diffusion/base-places.ts';
import type { BaseCheck, BaseInfo, BaseProgress, BaseSource } from '../protocol/contract/bases.ts';
import { callLong, cancelOn, requestId, withProgress } from './long-request.ts';
import type { HostSession } from './session.ts';

/** Where the base for a host comes from: a folder here, or what the host fetches itself. */
export type HostBaseSource =
  | ({ readonly kind: 'here'; readonly path: string } & CheckpointChoices)
  | BaseSource;

/** How far an import is: files are read and sent from here first, then the host works. */
export interface HostImportProgress {
  readonly phase: 'reading' | 'sending' | 'listing' | 'downloading' | 'unpacking' | 'placing' | 'checking';
  readonly file?: string;
  readonly doneBytes: number;
  readonly totalBytes?: number;
}

export interface HostImportOptions {
  readonly name?: string;
  readonly signal?: AbortSignal;
  /** Names the import: one whose answer was lost is asked for again under the same id. */
  readonly id?: string;
}

export const listHostBases = async (session: HostSession): Promise<BaseInfo[]> =>
  (await callLong(session, 'bases/list', {})).bases;

/** Finds a base of a host by its name. */
export type FindHostBase = (name: string) => BaseInfo;

/** The bases of a host. The function it gives throws ParaError `base` where there is none of a name. */
export const hostBases = async (session: HostSession): Promise<FindHostBase> =>
  findAmong(await listHostBases(session), session.profile.name);

/**
 * Finds a base among those that were listed. The function it gives throws as that of `hostBases`.
 * @param bring how a base is brought there, in words of whoever asks
 */
export function findAmong(
  bases: readonly BaseInfo[],
  host: string,
  bring = `bring one: para base import PATH --host ${host}`,
): FindHostBase {
  return (name) => {
    const found = bases.find((base) => base.name === name);
    if (found) return found;
    throw new ParaError('base', `The host has no base "${name}"`, {
      where: host,
      hint: `it has: ${bases.map((base) => base.name).join(', ') || 'none'}; ${bring}`,
    });
  };
}

/** @throws ParaError `base`, `host` */
export const checkHostBase = (session: HostSession, name: string, full = false): Promise<BaseCheck> =>
  callLong(session, 'bases/check', { name, ...(full ? { full } : {}) });

/** @returns bytes that the host's disk has again. @throws ParaError `locked`, `base`, `host` */
export const deleteHostBase = async (session: HostSession, name: string): Promise<number> =>
  (await session.call('bases/delete', { name })).freedBytes;

/**
 * Takes a base to a host. What was cut off, here or there, is gone on from when the same is asked for again.
 * @throws ParaError `base`, `exists`, `download`, `disk`, `blob`, `host`, `cancelled`
 */
export async function importBaseOnHost(
  session: HostSession,
  source: HostBaseSource,
  onProgress: (progress: HostImportProgress) => void = () => {},
  options: HostImportOptions = {},
): Promise<BaseInfo> {
  const { id = requestId(), signal } = options;
  const name = options.name ?? (source.kind === 'here' ? baseNameOf(source.path) : undefined);
  const there = source.kind === 'here' ? await sendHere(session, source, onProgress, signal) : source;
  const tell = ({ id: _, phase, ...progress }: BaseProgress) =>
    onProgress({ phase: phase as HostImportProgress['phase'], ...progress });
  return withProgress(session, 'bases/progress', id, tell, async () => {
    const stop = cancelOn(session, signal, 'bases/cancel', id);
    try {
      return await callLong(session, 'bases/import', { id, source: there, ...(name ? { name } : {}) });
    } finally {
      stop();
    }
  });
}

/** Sends a base, or what a checkpoint becomes as one. */
async function sendHere(
  session: HostSession,
  { kind: _, path, ...choices }: { readonly kind: 'here'; readonly path: string } & CheckpointChoices,
  onProgress: (progress: HostImportProgress) => void,
  signal: AbortSignal | undefined,
): Promise<BaseSource> {
  // Beside the bases, since only what lies there may point out of its folder; what is left is cleared away there.
  const bases = join(paraHome(), 'bases');
  mkdirSync(bases, { recursive: true });
  const scratch = join(bases, `.send-${requestId()}.${process.pid}.part`);
  try {
    const base = openOrDescribe(path, choices, scratch);
    return await sendFiles(session, movedFiles(base, join(scratch, 'moved')), onProgress, signal);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Sends the files of a base, those that the host lacks. */
async function sendFiles(
  session: HostSession,
  moved: readonly MovedFile[],
  onProgress: (progress: HostImportProgress) => void,
  signal: AbortSignal | undefined,
): Promise<BaseSource> {
  const files = moved.map((entry) => ({ ...entry, size: statSync(entry.file).size }));
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  let doneBytes = 0;
  const hashed: ((typeof files)[number] & { sha256: string })[] = [];
  for (const entry of files) {
    if (signal?.aborted) throw givenUp();
    hashed.push({ ...entry, sha256: entry.sha256 ?? (await hashFile(entry.file)) });
    doneBytes += entry.size;
    onProgress({ phase: 'reading', file: entry.path, doneBytes, totalBytes });
  }
  const { missing } = await session.call('blobs/missing', { hashes: hashed.map((f) => f.sha256) });
  const lacking = new Set(missing);
  doneBytes = 0;
  for (const { file, path: name, size, sha256 } of hashed) {
    if (signal?.aborted) throw givenUp();
    if (lacking.delete(sha256))
      await put(session, file, sha256, signal, (bytes) =>
        onProgress({ phase: 'sending', file: name, doneBytes: doneBytes + bytes, totalBytes }),
      );
    doneBytes += size;
    onProgress({ phase: 'sending', file: name, doneBytes, totalBytes });
  }
  return { kind: 'upload', files: hashed.map(({ path: name, sha256 }) => ({ path: name, sha256 })) };
}

/** Sends one file; giving it up cuts the channel, and the host keeps what it has for the next try. */
async function put(
  session: HostSession,
  file: string,
  sha256: string,
  signal: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const blobs = await session.blobs();
  const cut = () => blobs.close();
  signal?.addEventListener('abort', cut);
  try {
    await blobs.put(file, sha256, onBytes);
  } catch (cause) {
    throw signal?.aborted ? givenUp() : cause;
  } finally {
    signal?.removeEventListener('abort', cut);
  }
}

const givenUp = () =>
  new ParaError('cancelled', 'The import was cancelled', { hint: 'what was sent is kept for the next try' });
