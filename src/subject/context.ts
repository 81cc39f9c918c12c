import type { TextDocument, Uri } from 'vscode';
import { l10n } from 'vscode';
import type { Log } from '../platform/log.ts';
import type { PromptServices } from '../prompt/services.ts';
import type { CheckContext } from './checks/context.ts';
import { SubjectDocument } from './document.ts';
import { findGallery } from './gallery.ts';
import { folderOf } from './paths.ts';
import type { PictureShelf } from './picture-shelf.ts';
import { filesOf } from './workspace-files.ts';

/** What the language of subject files needs. */
export interface SubjectServices extends PromptServices {
  readonly pictures: PictureShelf;
  readonly log: Log;
  readonly extensionUri: Uri;
}

/** Everything that is known about a subject file as it is in the editor. */
export async function contextOf(document: TextDocument, services: SubjectServices): Promise<CheckContext> {
  const subject = new SubjectDocument(document.getText());
  const folder = folderOf(document.uri.path);
  const files = filesOf(document.uri);
  const { library, shelf, pictures } = services;
  const [gallery, bases, facts] = await Promise.all([
    findGallery(subject, folder, files),
    library.bases(),
    shelf.facts(subject.base),
  ]);
  return { document: subject, folder, files, gallery, shelf: pictures, bases, facts, t: l10n.t };
}
