import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'jsonc-parser';
import { l10n, Uri, workspace } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import type { SubjectFile } from '../../remote-agent/src/subject/schema.ts';
import { expandEntry } from './expand.ts';
import { nameOf } from './paths.ts';
import { filesOf } from './workspace-files.ts';

/**
 * Path of a subject file that this process can read. One of a remote or virtual workspace is copied with its pictures
 * into `storage`, anew each time.
 * @throws ParaError `subject` for a picture outside the subject's own folder, which a copy cannot hold
 */
export async function localSubject(uri: Uri, storage: Uri): Promise<string> {
  if (uri.scheme === 'file') return uri.fsPath;
  const folder = Uri.joinPath(uri, '..');
  const copy = Uri.joinPath(storage, 'subjects', hashOf(uri.toString()));
  await rm(copy.fsPath, { recursive: true, force: true });
  await workspace.fs.createDirectory(copy);
  const bytes = await workspace.fs.readFile(uri);
  const name = nameOf(uri.path);
  await workspace.fs.writeFile(Uri.joinPath(copy, name), bytes);
  const file = parse(new TextDecoder().decode(bytes), [], { allowTrailingComma: true }) as
    | Partial<SubjectFile>
    | undefined;
  const entries = [
    ...(file?.pictures ?? []).map((p) => (typeof p === 'string' ? p : p.file)),
    ...(file?.validation?.pictures ?? []),
  ];
  for (const entry of entries) await copyEntry(folder, entry, copy, uri);
  return join(copy.fsPath, name);
}

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);

async function copyEntry(folder: Uri, entry: string, copy: Uri, subject: Uri): Promise<void> {
  const relative = entry.replaceAll('\\', '/').replace(/^\.\//, '');
  if (/^([a-z]:)?\/|(^|\/)\.\.(\/|$)/i.test(relative))
    throw new ParaError('subject', l10n.t('The picture "{0}" is outside the subject\'s folder', entry), {
      where: subject.path,
      hint: l10n.t('in a remote workspace pictures must lie in the folder of the subject file or below'),
    });
  // Not by the editor's search, which knows files on a disk only. What is missing is told when pictures are looked for.
  for (const path of await expandEntry(filesOf(subject), folder.path.replace(/(?<=.)\/$/, ''), relative))
    await copyFile(folder, subject.with({ path }), copy);
}

async function copyFile(folder: Uri, from: Uri, copy: Uri): Promise<void> {
  const target = Uri.joinPath(copy, from.path.slice(folder.path.length));
  await workspace.fs.copy(from, target, { overwrite: true });
  // A caption file, and what describes all pictures of a folder, lie beside.
  for (const beside of [
    from.path.replace(/\.[^./]+$/, '.txt'),
    from.path.replace(/[^/]*$/, 'metadata.jsonl'),
  ])
    if (beside !== from.path)
      await workspace.fs
        .copy(from.with({ path: beside }), Uri.joinPath(copy, beside.slice(folder.path.length)), {
          overwrite: true,
        })
        .then(undefined, () => {});
}
