import {
  DocumentLink,
  type DocumentLinkProvider,
  Hover,
  type HoverProvider,
  l10n,
  MarkdownString,
  type Uri,
} from 'vscode';
import { rangeOf } from '../../platform/diagnostics.ts';
import { plain } from '../../prompt/describe.ts';
import { inside } from '../checks/context.ts';
import { faultText } from '../checks/pictures.ts';
import { contextOf, type SubjectServices } from '../context.ts';
import { type Entry, SubjectDocument } from '../document.ts';
import { expandEntry } from '../expand.ts';
import { entryPath, folderOf, nameOf } from '../paths.ts';
import { filesOf } from '../workspace-files.ts';

/** Pictures larger than this are named but not shown in a hover, in bytes. */
const heaviest = 16 * 1024 * 1024;

/** Pictures of one entry that a hover shows. */
const mostShown = 6;

const entriesOf = (document: SubjectDocument): Entry[] => [...document.pictures, ...document.heldOut];

/** Entries that name one file lead to it. */
export const pictureLinks: DocumentLinkProvider = {
  async provideDocumentLinks(document) {
    const subject = new SubjectDocument(document.getText());
    const folder = folderOf(document.uri.path);
    const files = filesOf(document.uri);
    const links = await Promise.all(
      entriesOf(subject).map(async ({ node, text }) => {
        const path = entryPath(folder, text);
        if ((await files.kind(path)) !== 'file') return [];
        const link = new DocumentLink(rangeOf(inside(node), document), document.uri.with({ path }));
        link.tooltip = l10n.t('Open the picture');
        return [link];
      }),
    );
    return links.flat();
  },
};

/** What an entry names, as pictures. */
export const pictureHover = (services: SubjectServices): HoverProvider => ({
  async provideHover(document, position) {
    const offset = document.offsetAt(position);
    const entry = entriesOf(new SubjectDocument(document.getText())).find(
      ({ node }) => node.offset <= offset && offset <= node.offset + node.length,
    );
    if (!entry) return undefined;
    const context = await contextOf(document, services);
    const paths = await expandEntry(context.files, context.folder, entry.text);
    const shown = paths.slice(0, mostShown);
    const parts = await Promise.all(
      shown.map(async (path) => {
        const found = context.gallery.pictures.find((picture) => picture.path === path);
        const width = paths.length === 1 ? 240 : 120;
        const image = await thumbnail(document.uri.with({ path }), width, services, context);
        const caption =
          found && paths.length === 1 ? `\n\n${l10n.t('Caption')}: ${plain(found.caption.text)}` : '';
        return `${image}${caption}`;
      }),
    );
    if (paths.length > shown.length) parts.push(l10n.t('and {0} more', paths.length - shown.length));
    if (parts.length === 0) return undefined;
    return new Hover(new MarkdownString(parts.join('\n\n')), rangeOf(inside(entry.node), document));
  },
});

async function thumbnail(
  uri: Uri,
  width: number,
  { pictures }: SubjectServices,
  { files, t }: Awaited<ReturnType<typeof contextOf>>,
): Promise<string> {
  const name = nameOf(uri.path);
  try {
    const { size, fault } = await pictures.inspect(files, uri.path);
    if (fault) return plain(faultText(fault, name, t));
    const { length } = await files.read(uri.path);
    const line = `${plain(name)}, ${size.width} \u00d7 ${size.height}`;
    if (length > heaviest) return line;
    const shown = Math.min(width, size.width);
    return `![${plain(name)}](${uri.toString()}|width=${shown})\n\n${line}`;
  } catch {
    return plain(t('The picture {0} cannot be read.', name));
  }
}
