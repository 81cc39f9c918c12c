import { FileType, l10n, type Uri, workspace } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import type { Files } from './files.ts';

/** Subject files of the workspace: the first two hundred. */
export const findSubjects = (): Thenable<Uri[]> =>
  workspace.findFiles('**/*.para.json', '**/node_modules/**', 200);

/** Pictures lie beside a file. @throws ParaError `subject` for one that lies nowhere yet */
export function mustBeSaved({ scheme }: Uri): void {
  if (scheme !== 'untitled') return;
  throw new ParaError('subject', l10n.t('This subject is not saved yet'), {
    hint: l10n.t('save it as NAME.para.json beside its pictures'),
  });
}

/** The files of the file system that a uri belongs to; open documents count as they are in the editor. */
export const filesOf = (uri: Uri): Files => ({
  async kind(path) {
    try {
      const { type } = await workspace.fs.stat(uri.with({ path }));
      return type & FileType.Directory ? 'folder' : 'file';
    } catch {
      return undefined;
    }
  },
  async list(path) {
    try {
      const entries = await workspace.fs.readDirectory(uri.with({ path }));
      return entries.map(([name, type]) => ({ name, folder: (type & FileType.Directory) !== 0 }));
    } catch {
      return [];
    }
  },
  async read(path) {
    const wanted = uri.with({ path }).toString();
    const open = workspace.textDocuments.find((document) => document.uri.toString() === wanted);
    return open?.isDirty
      ? new TextEncoder().encode(open.getText())
      : workspace.fs.readFile(uri.with({ path }));
  },
  async stamp(path) {
    const { mtime, size } = await workspace.fs.stat(uri.with({ path }));
    return `${mtime}:${size}`;
  },
});
