/**
 * Paths of the editor's uris: slashes on every system, `/c:/pictures/dog.png` on Windows. Entries of subject files are
 * written as people write them, with back-slashes and drive letters too.
 */

/** Whether a uri's path is one of Windows. */
export const isWindowsPath = (path: string): boolean => /^\/[a-zA-Z]:(\/|$)/.test(path);

/** The folder of a path. */
export const folderOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')));

/** The last part of a path. */
export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** A path without the extension of its last part. */
export const withoutExtension = (path: string): string => path.replace(/(?<=[^/])\.[^./]*$/, '');

/** The extension in lower case, without its dot. */
export const extensionOf = (path: string): string => /[^/]\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';

/** An entry with slashes, where `folder` tells that the system writes back-slashes. */
export const slashed = (folder: string, entry: string): string =>
  isWindowsPath(folder) || /^[a-zA-Z]:\\/.test(entry) ? entry.replaceAll('\\', '/') : entry;

/** The path that an entry of a subject file in `folder` means. */
export function entryPath(folder: string, entry: string): string {
  const written = slashed(folder, entry);
  if (/^[a-zA-Z]:\//.test(written)) return normal(`/${written}`);
  return normal(written.startsWith('/') ? written : `${folder}/${written}`);
}

/** How a subject file in `folder` writes a path; `undefined` where no relative way leads there. */
export function entryFor(folder: string, path: string): string | undefined {
  const same = isWindowsPath(folder)
    ? (a: string | undefined, b: string | undefined) => a?.toLowerCase() === b?.toLowerCase()
    : (a: string | undefined, b: string | undefined) => a === b;
  const from = folder.split('/').filter((part) => part !== '');
  const to = path.split('/').filter((part) => part !== '');
  if (isWindowsPath(folder) !== isWindowsPath(path)) return undefined;
  if (isWindowsPath(folder) && !same(from[0], to[0])) return undefined;
  let shared = 0;
  while (shared < from.length && shared < to.length && same(from[shared], to[shared])) shared++;
  const steps = [...from.slice(shared).map(() => '..'), ...to.slice(shared)];
  return steps.join('/') || '.';
}

function normal(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/'))
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  return `/${parts.join('/')}`;
}
