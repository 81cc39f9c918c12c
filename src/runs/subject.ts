import { posix } from 'node:path';
import { type Uri, workspace } from 'vscode';
import { subjectName } from '../../remote-agent/src/subject/name.ts';

/** Name of a subject file without what it says itself. */
export const fileSubject = ({ path }: Uri): string => subjectName(posix.basename(path));

/** The name that runs of a subject file have, as the file is in the editor. */
export async function subjectOf(uri: Uri): Promise<string> {
  const { parse } = await import('jsonc-parser');
  const file = (parse(await textOf(uri)) ?? {}) as { readonly name?: unknown };
  return subjectName(posix.basename(uri.path), file.name);
}

async function textOf(uri: Uri): Promise<string> {
  const open = workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (open) return open.getText();
  try {
    return new TextDecoder().decode(await workspace.fs.readFile(uri));
  } catch {
    return ''; // gone: its runs are not
  }
}
