import type { TextChange } from '../../platform/problem.ts';
import { changed, difference, setValue } from '../changes.ts';
import { SubjectDocument } from '../document.ts';
import { type Files, readText } from '../files.ts';
import { captionFile, type Gallery, type GalleryPicture, rowsOf } from '../gallery.ts';
import { nameOf } from '../paths.ts';

/** What new captions change: the subject file, and caption files by their path. */
export interface CaptionChanges {
  readonly changes: readonly TextChange[];
  readonly files: ReadonlyMap<string, string>;
}

/**
 * Gives pictures other captions, each where it is kept: in the subject file, in `NAME.txt`, or in `metadata.jsonl`. A
 * picture without one gets it in the subject file where an entry names it alone, else in a new `NAME.txt`.
 */
export async function captionChanges(
  text: string,
  gallery: Gallery,
  captions: ReadonlyMap<string, string>,
  files: Files,
): Promise<CaptionChanges> {
  let after = text;
  const written = new Map<string, string>();
  for (const picture of gallery.pictures) {
    const caption = captions.get(picture.path);
    if (caption === undefined || caption === picture.caption.text) continue;
    const { source, path } = picture.caption;
    if (source === 'subject' || (source === 'none' && picture.sole))
      after = inSubject(after, picture, caption);
    else if (source === 'table')
      written.set(
        path!,
        inTable(written.get(path!) ?? (await readText(files, path!)) ?? '', picture, caption),
      );
    else written.set(path ?? captionFile(picture.path), `${caption}\n`);
  }
  return { changes: difference(text, after), files: written };
}

function inSubject(text: string, { entry }: GalleryPicture, caption: string): string {
  const found = new SubjectDocument(text).pictures[entry]!;
  const changes = found.caption
    ? setValue(text, [...found.at, 'caption'], caption)
    : setValue(text, found.at, { file: found.text, caption });
  return changed(text, changes);
}

function inTable(text: string, { path }: GalleryPicture, caption: string): string {
  const name = nameOf(path);
  const lines = text.split('\n');
  for (const { row, line } of rowsOf(text))
    if (row.file_name === name) {
      const key = row.text === undefined && row.caption !== undefined ? 'caption' : 'text';
      lines[line] = JSON.stringify({ ...row, [key]: caption });
    }
  return lines.join('\n');
}

/** A caption with another text in place of `find`; without `find`, with the text before it. */
export function rewritten(caption: string, find: string, text: string): string {
  if (find !== '') return caption.replaceAll(find, () => text);
  return caption.startsWith(text) ? caption : `${text}${caption}`;
}
