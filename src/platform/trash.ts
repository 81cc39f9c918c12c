import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Something that was deleted, and where it lies until nobody can want it back. */
export interface PutAway {
  readonly path: string;
  readonly trash: string;
}

/**
 * Takes a file or folder out of sight, beside where it was: the trash of the system is not at hand where the window is
 * a browser or the machine another.
 */
export async function putAway(path: string): Promise<PutAway> {
  const trash = join(dirname(path), `.deleted-${Date.now()}-${basename(path)}`);
  await rename(path, trash);
  return { path, trash };
}

/** Puts it back where it was; whoever calls has seen to it that nothing else is there now. */
export const takeBack = ({ path, trash }: PutAway): Promise<void> => rename(trash, path);

export const forget = ({ trash }: PutAway): Promise<void> => rm(trash, { recursive: true, force: true });

/** Removes what was deleted earlier and not taken back: a window may have been closed over the message. */
export async function emptyTrash(folder: string, olderThanMs = 3_600_000): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const at = Number(/^\.deleted-(\d+)-/.exec(name)?.[1] ?? Number.NaN);
    if (Date.now() - at > olderThanMs) await rm(join(folder, name), { recursive: true, force: true });
  }
}
