import type { TextChange } from '../../platform/problem.ts';
import { changed, difference, setValue } from '../changes.ts';
import { SubjectDocument } from '../document.ts';
import { isPicture } from '../expand.ts';
import type { Files } from '../files.ts';
import { findGallery, type Gallery } from '../gallery.ts';
import { entryFor, extensionOf, folderOf, nameOf } from '../paths.ts';

/** Files as they will be when some more are there. */
export function withFiles(files: Files, added: readonly string[]): Files {
  return {
    ...files,
    kind: async (path) => (added.includes(path) ? 'file' : files.kind(path)),
    list: async (path) => {
      const known = await files.list(path);
      const more = added
        .filter((one) => folderOf(one) === path && !known.some(({ name }) => name === nameOf(one)))
        .map((one) => ({ name: nameOf(one), folder: false }));
      return [...known, ...more];
    },
  };
}

/** Changes of a subject file in `folder` that add pictures; those that an entry names already need none. */
export async function addEntries(
  text: string,
  folder: string,
  files: Files,
  paths: readonly string[],
): Promise<TextChange[]> {
  const there = await findGallery(new SubjectDocument(text), folder, withFiles(files, paths));
  const known = new Set(there.pictures.map(({ path }) => path));
  let after = text;
  for (const path of paths) {
    if (known.has(path)) continue;
    const count = new SubjectDocument(after).node(['pictures'])?.children?.length ?? 0;
    after = changed(after, setValue(after, ['pictures', count], entryFor(folder, path) ?? path));
  }
  return difference(text, after);
}

/** Changes that take a picture out; an entry that names several becomes the others, one by one. */
export function removeEntry(text: string, folder: string, gallery: Gallery, path: string): TextChange[] {
  const picture = gallery.pictures.find((one) => one.path === path);
  if (!picture) return [];
  const { entry, sole } = picture;
  const { at } = new SubjectDocument(text).pictures[entry]!;
  if (sole) return setValue(text, at, undefined);
  const others = gallery.pictures.filter((one) => one.entry === entry && one.path !== path);
  let after = changed(text, setValue(text, at, undefined));
  for (const other of others) {
    const count = new SubjectDocument(after).node(['pictures'])?.children?.length ?? 0;
    after = changed(after, setValue(after, ['pictures', count], entryFor(folder, other.path) ?? other.path));
  }
  return difference(text, after);
}

/** A path in `folder` for a file of this name that nothing has yet, with only plain signs in its name. */
export async function freePath(
  files: Files,
  folder: string,
  name: string,
  taken: ReadonlySet<string> = new Set(),
): Promise<string> {
  const extension = extensionOf(name);
  const stem =
    nameOf(name.replaceAll('\\', '/'))
      .slice(0, extension ? -extension.length - 1 : undefined)
      .replace(/[<>:"/\\|?*[\]{}!()\p{Cc}]+/gu, '-')
      .replace(/^[.\s-]+|[.\s-]+$/g, '') || 'picture';
  const ending = extension ? `.${extension}` : '';
  for (let n = 1; ; n++) {
    const path = `${folder === '/' ? '' : folder}/${stem}${n === 1 ? '' : `-${n}`}${ending}`;
    if (!taken.has(path) && (await files.kind(path)) === undefined) return path;
  }
}

/** What of a drop are pictures. */
export const picturesAmong = <T extends { readonly name: string }>(files: readonly T[]): T[] =>
  files.filter(({ name }) => isPicture(name));
