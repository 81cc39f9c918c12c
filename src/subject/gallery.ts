import type { SubjectDocument } from './document.ts';
import { expandEntry } from './expand.ts';
import { type Files, readText } from './files.ts';
import { entryPath, folderOf, nameOf, withoutExtension } from './paths.ts';

/** Where a caption is kept: in the subject file, in `NAME.txt`, in `metadata.jsonl`, or nowhere. */
export type CaptionSource = 'subject' | 'beside' | 'table' | 'none';

/** A caption and where it comes from; `path` is the caption file. */
export interface Caption {
  readonly text: string;
  readonly source: CaptionSource;
  readonly path?: string;
}

/** One picture of a subject. */
export interface GalleryPicture {
  readonly path: string;
  /** Index in `pictures` of the entry that names it. */
  readonly entry: number;
  /** Whether that entry names this file and no other. */
  readonly sole: boolean;
  readonly caption: Caption;
  readonly heldOut: boolean;
}

/** What the entries of a subject file name. */
export interface Gallery {
  readonly pictures: readonly GalleryPicture[];
  /** Indices in `pictures` of entries that name nothing. */
  readonly missing: readonly number[];
  /** Indices in `validation.pictures` of entries that name nothing. */
  readonly missingHeldOut: readonly number[];
}

/** Name of the caption file of a picture. */
export const captionFile = (picture: string): string => `${withoutExtension(picture)}.txt`;

/** Finds the pictures and captions of a subject file in `folder`, as training will. */
export async function findGallery(document: SubjectDocument, folder: string, files: Files): Promise<Gallery> {
  const held = new Set<string>();
  const missingHeldOut: number[] = [];
  for (const [i, { text }] of document.heldOut.entries()) {
    const paths = await expandEntry(files, folder, text);
    if (paths.length === 0) missingHeldOut.push(i);
    for (const path of paths) held.add(path);
  }
  const pictures = new Map<string, GalleryPicture>();
  const missing: number[] = [];
  for (const [entry, { text, caption }] of document.pictures.entries()) {
    const paths = await expandEntry(files, folder, text);
    if (paths.length === 0) missing.push(entry);
    for (const path of paths)
      pictures.set(path, {
        path,
        entry,
        sole: path === entryPath(folder, text),
        caption: caption
          ? { text: caption.text, source: 'subject' }
          : await captionOf(files, path, document.fallbackCaption),
        heldOut: held.has(path),
      });
  }
  return { pictures: [...pictures.values()], missing, missingHeldOut };
}

async function captionOf(files: Files, picture: string, fallback: string): Promise<Caption> {
  const path = captionFile(picture);
  const beside = await readText(files, path);
  if (beside !== undefined) return { text: beside.trim(), source: 'beside', path };
  const table = `${folderOf(picture)}/metadata.jsonl`;
  for (const { row } of rowsOf((await readText(files, table)) ?? ''))
    if (row.file_name === nameOf(picture))
      return { text: (row.text ?? row.caption ?? fallback).trim(), source: 'table', path: table };
  return { text: fallback, source: 'none' };
}

/** A line of `metadata.jsonl`. */
export interface TableRow {
  readonly file_name?: string;
  readonly text?: string;
  readonly caption?: string;
}

/** The readable lines of a `metadata.jsonl` with their numbers. */
export function rowsOf(text: string): { readonly row: TableRow; readonly line: number }[] {
  return text.split('\n').flatMap((content, line) => {
    try {
      const row: unknown = JSON.parse(content);
      return row && typeof row === 'object' ? [{ row, line }] : [];
    } catch {
      return []; // empty, or said when the run is made
    }
  });
}
