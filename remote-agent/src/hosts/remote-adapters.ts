import { rmSync } from 'node:fs';
import { basename } from 'node:path';
import type { ExportedFiles } from '../adapters/export.ts';
import { ParaError } from '../common/errors.ts';
import { hashFile } from '../common/hash.ts';
import type { AdapterInfo } from '../protocol/contract/adapters.ts';
import type { AdapterSource } from '../protocol/contract/generation.ts';
import type { Params } from '../protocol/contract.ts';
import { callLong } from './long-request.ts';
import type { HostSession } from './session.ts';

export const listAdapters = async (session: HostSession): Promise<AdapterInfo[]> =>
  (await session.call('adapters/list', {})).adapters;

/**
 * Sends an adapter file to a host and registers it there; one that is there already is not sent.
 * @param shown what the file is called where it is told of
 * @throws ParaError `adapter` or `safetensors` where it is none, `host`, `blob`
 */
export async function putAdapter(
  session: HostSession,
  file: string,
  name = basename(file, '.safetensors'),
  shown = file,
): Promise<{ sha256: string }> {
  let sha256: string;
  try {
    sha256 = await hashFile(file);
  } catch (cause) {
    throw new ParaError('adapter', 'The adapter file cannot be read', {
      where: shown,
      hint: 'check the path; a PEFT folder is sent after para import has made a file of it',
      cause,
    });
  }
  const put = () => session.call('adapters/put', { sha256, name });
  try {
    try {
      await put();
    } catch (cause) {
      if (!(cause instanceof ParaError && cause.code === 'blob')) throw cause;
      await (await session.blobs()).put(file, sha256);
      await put();
    }
  } catch (cause) {
    // A host knows it by its content alone, which tells nobody which file is meant.
    throw cause instanceof ParaError && cause.where?.includes(sha256) ? cause.withWhere(shown) : cause;
  }
  return { sha256 };
}

/** Fetches an adapter of a host to `path`. @throws ParaError `run`, `blob`, `host` */
export async function getAdapter(session: HostSession, source: AdapterSource, path: string): Promise<void> {
  const blobs = await session.blobs();
  rmSync(`${path}.part`, { force: true });
  if ('sha256' in source) await blobs.fetch(source.sha256, path);
  else await blobs.get(source.job, source.file ?? 'adapter.safetensors', path);
}

/** How an adapter is to be written; `base` is one of the host's. */
export type HostExport = Omit<Params<'adapters/export'>, 'source'>;

/**
 * Has a host write an adapter in another tool's layout, and fetches the files.
 * @throws ParaError `adapter`, `base`, `run`, `host`
 */
export async function exportOnHost(
  session: HostSession,
  source: AdapterSource,
  how: HostExport,
): Promise<{ method: string; files: ExportedFiles }> {
  const { method, files } = await callLong(session, 'adapters/export', { ...how, source });
  const fetched = new Map<string, Uint8Array>();
  for (const { name, sha256 } of files) fetched.set(name, await (await session.blobs()).bytes(sha256));
  return { method, files: fetched };
}
