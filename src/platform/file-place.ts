import { isAbsolute } from 'node:path';
import { Position, Range, Uri, window, workspace } from 'vscode';

/** A place in a file, counted from 0. */
interface FilePlace {
  readonly uri: Uri;
  readonly position: Position;
}

/** The place that `PATH:LINE` or `PATH:LINE:COLUMN` names; the path is absolute, or as the workspace calls the file. */
export function placeOf(where: string): FilePlace | undefined {
  const [, path, line, column = '1'] = /^(.+?):(\d+)(?::(\d+))?$/.exec(where) ?? [];
  const uri = path === undefined ? undefined : fileOf(path);
  return (
    uri && { uri, position: new Position(Math.max(0, Number(line) - 1), Math.max(0, Number(column) - 1)) }
  );
}

function fileOf(path: string): Uri | undefined {
  if (isAbsolute(path)) return Uri.file(path);
  const folders = workspace.workspaceFolders ?? [];
  // Where there are several, the name of the folder comes first.
  if (folders.length === 1) return Uri.joinPath(folders[0]!.uri, path);
  const folder = folders.find(({ name }) => path.startsWith(`${name}/`));
  return folder && Uri.joinPath(folder.uri, path.slice(folder.name.length + 1));
}

/** Shows a place with the cursor at it. */
export const openAt = ({ uri, position }: FilePlace): Thenable<unknown> =>
  window.showTextDocument(uri, { selection: new Range(position, position) });
