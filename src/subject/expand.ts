import picomatch from 'picomatch';
import type { Files } from './files.ts';
import { entryPath, extensionOf, slashed } from './paths.ts';

/** Kinds of pictures that can be trained on, by extension. */
export const pictureExtensions = ['png', 'jpg', 'jpeg', 'webp'] as const;

export const isPicture = (path: string): boolean =>
  (pictureExtensions as readonly string[]).includes(extensionOf(path));

/** Folders and files looked into for one glob, so that a glob from the root of a disk ends. */
const mostSeen = 20_000;

/**
 * Paths of the pictures that one entry of a subject file in `folder` names, sorted: a file, the pictures of a folder,
 * or what a glob finds. The trainer finds the same (`dataset/find.ts`).
 */
export async function expandEntry(files: Files, folder: string, entry: string): Promise<string[]> {
  const path = entryPath(folder, entry);
  const kind = await files.kind(path);
  if (kind === 'file') return [path];
  if (kind === 'folder')
    return (await files.list(path))
      .filter((child) => !child.folder && isPicture(child.name))
      .map(({ name }) => `${path === '/' ? '' : path}/${name}`)
      .sort();
  const { base, glob } = picomatch.scan(slashed(folder, entry));
  if (glob === '') return [];
  const matches = picomatch([glob, `${glob}/**`]);
  const deep = glob.includes('/') || glob.includes('**');
  const found: string[] = [];
  const from = entryPath(folder, base || '.');
  const queue = [{ path: from === '/' ? '' : from, relative: '' }];
  let seen = 0;
  for (let next = queue.shift(); next && seen < mostSeen; next = queue.shift())
    for (const { name, folder: isFolder } of await files.list(next.path || '/')) {
      seen++;
      const relative = next.relative === '' ? name : `${next.relative}/${name}`;
      const child = `${next.path}/${name}`;
      if (isFolder) {
        if (!name.startsWith('.') && name !== 'node_modules' && (deep || matches(relative)))
          queue.push({ path: child, relative });
      } else if (matches(relative)) found.push(child);
    }
  return found.sort();
}
