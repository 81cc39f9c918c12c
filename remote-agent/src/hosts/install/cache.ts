import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as tar from 'tar';
import { ParaError } from '../../common/errors.ts';
import { hashFile } from '../../common/hash.ts';
import { neededHere } from './assemble.ts';
import { fetchFile } from './fetch.ts';
import { Unreachable } from './registries.ts';
import type { PlainFile, Registries, RegistryFile } from './request.ts';

/** Folder of what was downloaded here for hosts; it may be emptied at any time. */
export const cacheFolder = (env = process.env, home = homedir()): string =>
  join(env.XDG_CACHE_HOME || join(home, '.cache'), 'para-studio', 'downloads');

/**
 * The path of a registry file on this machine, fetched where the cache lacks it.
 * @throws ParaError `host` when this machine does not reach the registry either
 */
export async function fetchToCache(
  file: RegistryFile,
  registries: Registries,
  onProgress: (done: number) => void,
): Promise<string> {
  const folder = cacheFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    // A proxy named for the host says nothing of this machine.
    const { proxy: _, ...ours } = registries;
    await fetchFile(folder, file, ours, onProgress);
  } catch (cause) {
    if (!(cause instanceof Unreachable)) throw cause;
    throw new ParaError('host', 'Neither the host nor this machine reaches a registry', {
      where: `${cause.message}, for ${file.file}`,
      hint: `name a mirror or set HTTPS_PROXY; or put the file into ${folder}`,
      cause,
    });
  }
  return join(folder, file.file);
}

/** Packages that hold libraries of every system: a host is sent only its own. */
const manySystems = (file: RegistryFile) => file.name === 'onnxruntime-node';

/** The smaller form in which a package is sent, or itself. Packed anew, its bytes are known by a hash made here. */
export async function slimFor(
  file: RegistryFile,
  path: string,
  arch: string,
): Promise<{ path: string; file: PlainFile & { name: string } }> {
  if (!manySystems(file)) return { path, file };
  const slim = path.replace(/\.tgz$/, `-${arch}.tgz`);
  if (!existsSync(slim)) {
    const draft = `${slim}.${process.pid}`;
    rmSync(draft, { force: true });
    await repack(path, draft, arch);
    renameSync(draft, slim);
  }
  const hash = await hashFile(slim);
  const name = file.file.replace(/\.tgz$/, `-${arch}.tgz`);
  return {
    path: slim,
    file: { file: name, size: statSync(slim).size, hash: `sha256-${hash}`, name: file.name },
  };
}

async function repack(from: string, to: string, arch: string): Promise<void> {
  const folder = `${to}.d`;
  mkdirSync(folder, { recursive: true });
  try {
    const wanted = (path: string) => neededHere(path.split('/').slice(1).join('/'), arch);
    await tar.extract({ file: from, cwd: folder, filter: wanted, strict: true });
    await tar.create({ cwd: folder, file: to, gzip: true, portable: true, mtime: new Date(0) }, ['package']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
