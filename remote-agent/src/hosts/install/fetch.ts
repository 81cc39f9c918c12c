import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dispatcher } from 'undici';
import { ParaError } from '../../common/errors.ts';
import { diskError } from '../../common/files.ts';
import { hashFile } from '../../common/hash.ts';
import { get, reason, Unreachable } from './http.ts';
import { registryUrl } from './registries.ts';
import type { PlainFile, Registries, RegistryFile } from './request.ts';

/** Waits after a cut, in ms; a cut after new bytes begins again with the first. */
const waits = [500, 2000, 5000];

/** Whether the file at `path` has the bytes of `hash`. */
export async function hasHash(path: string, hash: string): Promise<boolean> {
  const [algorithm, digest] = hash.split('-') as [string, string];
  return (await hashFile(path, { algorithm })) === digest;
}

/**
 * Takes `FILE.part` as `FILE` when it is whole: this is also how bytes that came another way are let in.
 * @returns whether the file is there; a part of the full size with other bytes is thrown away
 */
export async function settle(folder: string, file: PlainFile): Promise<boolean> {
  const path = join(folder, file.file);
  if (existsSync(path)) return true;
  const part = `${path}.part`;
  if (!existsSync(part) || statSync(part).size < file.size) return false;
  if (statSync(part).size > file.size || !(await hasHash(part, file.hash))) {
    rmSync(part);
    return false;
  }
  renameSync(part, path);
  return true;
}

/**
 * Fetches a file of a registry into `folder`; what came before a cut is gone on from, and nothing is seen under the
 * file's name before its hash is right.
 * @throws Unreachable, or ParaError `host` when the registry has not these bytes, `disk`
 */
export async function fetchFile(
  folder: string,
  file: RegistryFile,
  registries: Registries,
  dispatcher: Dispatcher,
  onProgress: (done: number) => void,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const part = join(folder, `${file.file}.part`);
  const sizeNow = () => (existsSync(part) ? statSync(part).size : 0);
  for (let tries = 0, damaged = 0; !(await settle(folder, file)); ) {
    const before = sizeNow();
    try {
      const url = await registryUrl(file, registries, dispatcher);
      await download(url, part, file, dispatcher, onProgress);
    } catch (cause) {
      if (!(cause instanceof Unreachable)) throw diskError(cause, part);
      if (sizeNow() > before) tries = 0;
      const wait = waits[tries++];
      // A registry that never answered is not asked again: the files may come another way.
      if (wait === undefined || (before === 0 && sizeNow() === 0)) throw cause;
      await new Promise((resume) => setTimeout(resume, wait));
      continue;
    }
    if (await settle(folder, file)) return;
    if (++damaged > 1)
      throw new ParaError('host', 'A registry gave other bytes than the lock file names', {
        where: `${file.file}, expected ${file.hash.slice(0, 23)}...`,
        hint: 'a mirror may be stale or damaged; name another: --npm-registry, --pypi',
      });
  }
}

async function download(
  url: string,
  part: string,
  file: RegistryFile,
  dispatcher: Dispatcher,
  onProgress: (done: number) => void,
): Promise<void> {
  const have = existsSync(part) ? statSync(part).size : 0;
  const range: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {};
  const answer = await get(url, { ...range, 'accept-encoding': 'identity' }, dispatcher);
  const continues =
    answer.status === 206 && answer.headers.get('content-range')?.startsWith(`bytes ${have}-`);
  if (!(answer.status === 200 || continues) || !answer.body) {
    await answer.body?.cancel();
    throw new ParaError('host', `A registry does not give a file (HTTP ${answer.status})`, {
      where: `${new URL(url).host}: ${file.file}`,
      hint: 'is it a mirror that lacks the package? name another: --npm-registry, --pypi',
    });
  }
  const out = await open(part, continues ? 'a' : 'w', 0o600);
  let done = continues ? have : 0;
  try {
    for await (const bytes of pieces(answer.body, url)) {
      await out.write(bytes);
      done += bytes.length;
      onProgress(done);
      if (done > file.size) return;
    }
    await out.sync();
  } finally {
    await out.close();
  }
}

/** The bytes of an answer; a cut is told apart from a failure of our own disk. */
async function* pieces(body: AsyncIterable<Uint8Array>, url: string): AsyncGenerator<Uint8Array> {
  const source = body[Symbol.asyncIterator]();
  for (;;) {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await source.next();
    } catch (cause) {
      throw new Unreachable(`${new URL(url).host}: ${reason(cause)}`, { cause });
    }
    if (next.done) return;
    yield next.value;
  }
}
