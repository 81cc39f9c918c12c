import { l10n, Range, type TextDocument, Uri, WorkspaceEdit, workspace } from 'vscode';
import { rangeOf } from '../../platform/diagnostics.ts';
import type { TextChange } from '../../platform/problem.ts';

/** What one change of the editor does: to the subject file, to caption files, and pictures that come with it. */
export interface SubjectEdit {
  readonly changes?: readonly TextChange[];
  /** Contents of caption files by their path. */
  readonly files?: ReadonlyMap<string, string>;
  /** New pictures by their path. */
  readonly pictures?: ReadonlyMap<string, Uint8Array>;
}

/**
 * Makes a change as an edit of the documents it belongs to, so that the editor can undo it. Caption files that were
 * saved before are saved after: training reads them from the disk.
 * @throws Error where the editor refuses
 */
export async function applyEdit(document: TextDocument, edit: SubjectEdit): Promise<void> {
  const { changes = [], files = new Map(), pictures = new Map() } = edit;
  const own = new WorkspaceEdit();
  for (const [path, contents] of pictures) own.createFile(document.uri.with({ path }), { contents });
  for (const change of changes) own.replace(document.uri, rangeOf(change, document), change.text);
  if (changes.length > 0 || pictures.size > 0) await apply(own);
  if (files.size === 0) return;
  // A file is made empty and written as a document, so that what was written can be undone there.
  for (const path of files.keys()) {
    const uri = document.uri.with({ path });
    if (await opened(uri)) continue;
    const made = new WorkspaceEdit();
    made.createFile(uri);
    await apply(made);
  }
  const captions = new WorkspaceEdit();
  const saved: TextDocument[] = [];
  for (const [path, content] of files) {
    const open = await workspace.openTextDocument(document.uri.with({ path }));
    captions.replace(open.uri, new Range(0, 0, open.lineCount, 0), content);
    if (!open.isDirty) saved.push(open);
  }
  await apply(captions);
  for (const caption of saved) await caption.save();
}

async function apply(edit: WorkspaceEdit): Promise<void> {
  if (await workspace.applyEdit(edit)) return;
  throw new Error(l10n.t('The change could not be made; the file may be read-only.'));
}

async function opened(uri: Uri): Promise<TextDocument | undefined> {
  try {
    return await workspace.openTextDocument(uri);
  } catch {
    return undefined; // there is none yet
  }
}

/** Uris among texts that were dropped: one a line, comments left out. */
export function urisAmong(texts: readonly string[]): Uri[] {
  const lines = texts.flatMap((text) => text.split(/\r?\n/)).map((line) => line.trim());
  return [...new Set(lines.filter((line) => /^[a-z][\w+.-]*:\//i.test(line)))].map((line) => Uri.parse(line));
}
