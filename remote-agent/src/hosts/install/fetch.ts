import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, download, hasDigest } from '../../common/download.ts';
import { ParaError } from '../../common/errors.ts';
import { ask, registryUrl, unreachable } from './registries.ts';
import type { PlainFile, Registries, RegistryFile } from './request.ts';

/** Repetitions without a single new byte after which a registry counts as not reached. */
const mostRepeats = 3;

export function digestOf({ hash }: PlainFile): Digest {
  const [kind, hex] = hash.split('-') as ['sha256' | 'sha512', string];
  return { kind, hex };
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
  if (statSync(part).size > file.size || !(await hasDigest(part, digestOf(file)))) {
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
  onProgress: (done: number) => void,
): Promise<void> {
  if (await settle(folder, file)) return;
  let url = registries[file.registry];
  const get = async (headers: Readonly<Record<string, string>>) => {
    url = await registryUrl(file, registries);
    return ask(url, registries, headers);
  };
  await download(
    {
      get,
      refusal: ({ status }) =>
        new ParaError('host', `A registry does not give a file (HTTP ${status})`, {
          where: `${new URL(url).host}: ${file.file}`,
          hint: 'is it a mirror that lacks the package? name another: --npm-registry, --pypi',
        }),
      damaged: () =>
        new ParaError('host', 'A registry gave other bytes than the lock file names', {
          where: `${file.file}, expected ${file.hash.slice(0, 23)}...`,
          hint: 'a mirror may be stale or damaged; name another: --npm-registry, --pypi',
        }),
      // A registry that never answered is not asked again: the files may come another way.
      giveUp: (cause, { repeats, bytes }) =>
        bytes === 0 || repeats > mostRepeats ? unreachable(url, cause) : undefined,
    },
    join(folder, file.file),
    { size: file.size, digest: digestOf(file), pause: 500, onBytes: onProgress },
  );
}
