import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { arrivedBytes, type Digest } from '../common/download.ts';
import { ParaError } from '../common/errors.ts';
import { shownAddress } from '../common/http.ts';
import type { Base } from '../diffusion/base.ts';
import { importBase } from '../diffusion/base-import.ts';
import { paraHome } from '../diffusion/base-places.ts';
import { takeLock } from '../jobs/lock.ts';
import { unpackBase } from './archive.ts';
import { checkpointAt, type FoundBase } from './base-files.ts';
import { checkAddress, chooseBase } from './choose.ts';
import { type Credential, download } from './fetch.ts';
import { listModel } from './listing.ts';
import {
  decoded,
  isCheckpointAddress,
  nameOf,
  type RemoteSource,
  safeUrl,
  understood,
  usualEndpoint,
} from './source.ts';

/** How far an import is. The first of a download tells how much of it is here already. */
export interface ImportProgress {
  readonly phase: 'listing' | 'downloading' | 'unpacking' | 'placing' | 'checking';
  readonly file?: string;
  readonly doneBytes: number;
  readonly totalBytes?: number;
}

export interface ImportOptions {
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: ImportProgress) => void;
  /** See `importBase`. */
  readonly request?: string | undefined;
}

/** Parts of downloads that nobody came back for are removed after this time, in ms. */
const keptFor = 14 * 24 * 3600 * 1000;

/**
 * Downloads a base and registers it. A download that was cut off or cancelled goes on where it was when the same is
 * asked for again.
 * @throws ParaError `download`, `base`, `exists`, `disk`, `locked`, `cancelled`
 */
export async function importRemote(asked: RemoteSource, options: ImportOptions = {}): Promise<Base> {
  const source = understood(asked);
  const tell = options.onProgress ?? (() => {});
  tell({ phase: 'listing', doneBytes: 0 });
  const wanted = source.kind === 'hub' ? await onHub(source, options.signal) : undefined;
  const key = createHash('sha256')
    .update(wanted ? wanted.key : (source as { url: string }).url)
    .digest('hex')
    .slice(0, 32);
  const folder = join(paraHome(), 'downloads', key);
  mkdirSync(folder, { recursive: true });
  const unlock = lockDownload(`${folder}.lock`);
  try {
    removeOldDownloads();
    const files = join(folder, 'base');
    const path = wanted
      ? await downloadAll(wanted, files, options.signal, tell)
      : await downloadAddress(source as RemoteSource & { kind: 'url' }, folder, options.signal, tell);
    tell({ phase: 'placing', doneBytes: 0 });
    const base = importBase(path, options.name ?? nameOf(source), {
      ownWeights: true,
      ...(options.request === undefined ? {} : { request: options.request }),
    });
    rmSync(folder, { recursive: true, force: true });
    return base;
  } finally {
    unlock();
  }
}

function lockDownload(path: string): () => void {
  try {
    return takeLock(path);
  } catch (cause) {
    if (!(cause instanceof ParaError && cause.code === 'locked')) throw cause;
    throw new ParaError('locked', 'This base is being downloaded by another process', {
      hint: 'wait until it has ended',
    });
  }
}

function removeOldDownloads(): void {
  const all = join(paraHome(), 'downloads');
  for (const name of readdirSync(all)) {
    const path = join(all, name);
    if (Date.now() - statSync(path).mtimeMs > keptFor) rmSync(path, { recursive: true, force: true });
  }
}

interface WantedFile {
  readonly to: string;
  readonly url: URL;
  readonly size: number | undefined;
  readonly digest: Digest | undefined;
}

interface Wanted {
  readonly key: string;
  readonly kind: FoundBase['kind'];
  readonly credential: Credential | undefined;
  readonly files: readonly WantedFile[];
}

const credentialFor = (token: string | undefined, url: URL): Credential | undefined =>
  token === undefined ? undefined : { token, origin: url.origin };

/** The files of a base on a hub, pinned to one commit. */
async function onHub(
  { repository, revision, endpoint, token, file }: RemoteSource & { kind: 'hub' },
  signal: AbortSignal | undefined,
): Promise<Wanted> {
  const root = safeUrl(endpoint ?? usualEndpoint());
  const credential = credentialFor(token, root);
  const { commit, files } = await listModel(root, repository, revision, credential, signal);
  const byPath = new Map(files.map((listed) => [listed.path, listed]));
  const stem = `${root.href.replace(/\/$/, '')}/${repository}/resolve/${encodeURIComponent(commit)}`;
  const urlOf = (path: string) => safeUrl(`${stem}/${path.split('/').map(encodeURIComponent).join('/')}`);
  const where = `${shownAddress(root)}: ${repository}`;
  const { kind, places } = await chooseBase(
    { files: byPath, where, urlOf, asking: { credential, signal } },
    file,
  );
  return {
    key: `${root.href} ${repository} ${commit}${file === undefined ? '' : ` ${file}`}`,
    ...{ kind, credential },
    files: [...places].map(([to, from]) => {
      const { size, digest } = byPath.get(from)!;
      return { to, url: urlOf(from), size, digest };
    }),
  };
}

/** @returns what a base is made of: the folder, or the one file in it */
async function downloadAll(
  { files, credential, kind }: Wanted,
  folder: string,
  signal: AbortSignal | undefined,
  tell: (progress: ImportProgress) => void,
): Promise<string> {
  const known = files.every((file) => file.size !== undefined);
  const total = files.reduce((sum, file) => sum + (file.size ?? 0), 0);
  mkdirSync(folder, { recursive: true });
  const there = files.reduce((sum, { to }) => sum + arrivedBytes(join(folder, to)), 0);
  if (known) {
    refuseFullDisk(folder, total - there);
    tell({ phase: 'downloading', doneBytes: there, totalBytes: total });
  }
  let before = 0;
  for (const { to, url, size, digest } of files) {
    let bytes = 0;
    await download(url, join(folder, to), {
      ...{ credential, size, digest, signal },
      onBytes: (now) => {
        bytes = now;
        tell({
          ...{ phase: 'downloading', file: to, doneBytes: before + now },
          ...(known ? { totalBytes: total } : {}),
        });
      },
    });
    before += bytes;
  }
  return kind === 'checkpoint' ? join(folder, files[0]!.to) : folder;
}

/** Refuses a download that the disk cannot hold. */
function refuseFullDisk(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < bytes)
    throw new ParaError('disk', 'The disk has no room for this base', {
      where: `${folder}: ${Math.round((bavail * bsize) / 1e6)} MB free, ${Math.round(bytes / 1e6)} MB needed`,
      hint: 'free some space, or delete a base that is not needed',
    });
}

/** @returns what a base is made of: what an archive held, or the checkpoint in one file */
async function downloadAddress(
  { url, sha256, token }: RemoteSource & { kind: 'url' },
  folder: string,
  signal: AbortSignal | undefined,
  tell: (progress: ImportProgress) => void,
): Promise<string> {
  const address = safeUrl(url);
  const name = decoded(address.pathname.split('/').at(-1)!);
  const credential = credentialFor(token, address);
  const checkpoint = isCheckpointAddress(address) ? checkpointAt(name) : undefined;
  const target = checkpoint
    ? join(folder, 'base', [...checkpoint.places.keys()][0]!)
    : join(folder, 'archive');
  const there = arrivedBytes(target);
  const size = checkpoint && there === 0 ? await checkAddress(address, { credential, signal }) : undefined;
  if (size !== undefined) {
    refuseFullDisk(folder, size);
    tell({ phase: 'downloading', file: name, doneBytes: 0, totalBytes: size });
  }
  await download(address, target, {
    credential,
    ...{ signal, digest: sha256 ? { kind: 'sha256', hex: sha256 } : undefined },
    onBytes: (doneBytes, totalBytes) =>
      tell({
        ...{ phase: 'downloading', file: name, doneBytes },
        ...(totalBytes === undefined ? {} : { totalBytes }),
      }),
  });
  if (checkpoint) return target;
  tell({ phase: 'unpacking', file: name, doneBytes: statSync(target).size });
  const files = join(folder, 'base');
  rmSync(files, { recursive: true, force: true });
  return unpackBase(target, name, files);
}
