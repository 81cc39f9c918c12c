import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Where pictures lie that were pinned to a run. */
export const pinnedFolder = (directory: string): string => join(directory, 'pinned');

/** Files of the pictures that were pinned to a run, by name. */
export async function pinnedPictures(directory: string): Promise<string[]> {
  const folder = pinnedFolder(directory);
  const names = await readdir(folder).catch(() => []); // nothing was pinned yet
  return names
    .filter((name) => name.endsWith('.png'))
    .sort()
    .map((name) => join(folder, name));
}
