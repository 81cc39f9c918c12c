import {
  type CancellationToken,
  type CustomTextEditorProvider,
  commands,
  type Disposable,
  l10n,
  type TextDocument,
  Uri,
  type WebviewPanel,
  window,
  workspace,
} from 'vscode';
import type { RequestHandlers } from '../../../webview/contract/kernel.ts';
import { type SubjectView, subjectContract } from '../../../webview/contract/subject.ts';
import { Disposables } from '../../platform/disposables.ts';
import { describe } from '../../platform/failure.ts';
import { gathered } from '../../platform/signal.ts';
import { page, viewsFolder } from '../../platform/webview/page.ts';
import { ViewServer } from '../../platform/webview/serve.ts';
import { subjectOf } from '../../runs/subject.ts';
import { setValue } from '../changes.ts';
import { subjectProblems } from '../checks/index.ts';
import { contextOf, type SubjectServices } from '../context.ts';
import { isPicture, pictureExtensions } from '../expand.ts';
import { folderOf, nameOf } from '../paths.ts';
import { filesOf, mustBeSaved } from '../workspace-files.ts';
import { captionChanges, rewritten } from './captions.ts';
import { applyEdit, type SubjectEdit, urisAmong } from './edit.ts';
import { valueOfField } from './fields.ts';
import { addEntries, freePath, picturesAmong, removeEntry } from './pictures.ts';
import { subjectView } from './view.ts';

/** Something beside the documents changed, such as a picture. */
type Around = (listener: () => void) => Disposable;

/** Pictures and form of a subject file, over its text document. */
export class SubjectEditorProvider implements CustomTextEditorProvider {
  constructor(
    readonly extensionUri: Uri,
    readonly services: SubjectServices,
    readonly around: Around,
  ) {}

  async resolveCustomTextEditor(document: TextDocument, panel: WebviewPanel, token: CancellationToken) {
    const { gallery } = await contextOf(document, this.services);
    if (token.isCancellationRequested) return;
    const editor = new SubjectEditor(this.extensionUri, this.services, document, panel, this.around);
    editor.open(gallery.pictures.map(({ path }) => folderOf(path)));
  }
}

const isWithin = (root: string, path: string) =>
  path === root || path.startsWith(root === '/' ? root : `${root}/`);

class SubjectEditor {
  readonly #owned = new Disposables();
  readonly #server: ViewServer<typeof subjectContract>;

  /** Paths of folders whose files the view may show. */
  readonly #roots = new Set<string>();

  constructor(
    readonly extensionUri: Uri,
    readonly services: SubjectServices,
    readonly document: TextDocument,
    readonly panel: WebviewPanel,
    around: Around,
  ) {
    this.#server = this.#owned.add(
      new ViewServer(panel.webview, subjectContract, this.#handlers(), services.log),
    );
    const tell = this.#owned.add(gathered(80, () => void this.#tell()));
    this.#owned.add(
      workspace.onDidChangeTextDocument(({ document: changed }) => {
        if (changed === document) tell();
      }),
    );
    this.#owned.add(around(tell));
    this.#owned.add(workspace.onDidGrantWorkspaceTrust(tell));
    panel.onDidDispose(() => this.#owned.dispose());
  }

  /** @param folders paths of the folders that pictures lie in */
  open(folders: readonly string[]): void {
    const { webview, title } = this.panel;
    this.#allow([this.#folder, ...folders]);
    webview.html = page(webview, this.extensionUri, 'subject', title);
  }

  /** Lets the view show what lies in folders. It is loaded anew by that: only where it is to show more than before. */
  #allow(folders: readonly string[]): void {
    const more = folders.filter((path) => ![...this.#roots].some((root) => isWithin(root, path)));
    if (more.length === 0) return;
    for (const path of more) this.#roots.add(path);
    const { uri } = this.document;
    this.panel.webview.options = {
      enableScripts: true,
      localResourceRoots: [
        viewsFolder(this.extensionUri),
        ...[...this.#roots].map((path) => uri.with({ path })),
      ],
    };
  }

  get #folder(): string {
    return folderOf(this.document.uri.path);
  }

  async #view(): Promise<SubjectView> {
    const { document, services, panel } = this;
    const context = await contextOf(document, services);
    this.#allow(context.gallery.pictures.map(({ path }) => folderOf(path)));
    const scheme = document.uri.scheme;
    return subjectView(context, {
      name: await subjectOf(document.uri),
      editable: workspace.fs.isWritableFileSystem(scheme) !== false,
      trusted: workspace.isTrusted,
      problems: await subjectProblems(context),
      source: (path) => panel.webview.asWebviewUri(document.uri.with({ path })).toString(),
    });
  }

  async #tell(): Promise<void> {
    try {
      this.#server.notify('changed', await this.#view());
    } catch (cause) {
      this.services.log.warn(describe(cause));
    }
  }

  #handlers(): RequestHandlers<typeof subjectContract> {
    return {
      open: () => this.#view(),
      setField: async ({ at, text }) => {
        const value = valueOfField(at, text, l10n.t);
        return this.#edit({ changes: setValue(this.document.getText(), at, value) });
      },
      setCaption: ({ id, caption }) => this.#setCaptions(new Map([[id, caption]])),
      addPictures: () => this.#addPictures(),
      addFiles: ({ files }) =>
        this.#add(picturesAmong(files).map(({ name, bytes }) => ({ name, bytes: new Uint8Array(bytes) }))),
      addUris: ({ uris }) => this.#addUris(urisAmong(uris)),
      removePicture: async ({ id }) => {
        const { gallery } = await contextOf(this.document, this.services);
        return this.#edit({ changes: removeEntry(this.document.getText(), this.#folder, gallery, id) });
      },
      changeCaptions: async ({ ids, find, text }) => {
        const { gallery } = await contextOf(this.document, this.services);
        const captions = new Map(
          gallery.pictures
            .filter(({ path }) => ids.includes(path))
            .map(({ path, caption }) => [path, rewritten(caption.text, find, text)] as const),
        );
        const changed = gallery.pictures.filter(
          ({ path, caption }) => captions.has(path) && captions.get(path) !== caption.text,
        ).length;
        await this.#setCaptions(captions);
        return { changed };
      },
      act: ({ action, id }) => this.#act(action, id),
    };
  }

  async #edit(edit: SubjectEdit): Promise<Record<string, never>> {
    await applyEdit(this.document, edit);
    return {};
  }

  async #setCaptions(captions: ReadonlyMap<string, string>) {
    const { gallery, files } = await contextOf(this.document, this.services);
    return this.#edit(await captionChanges(this.document.getText(), gallery, captions, files));
  }

  async #addPictures() {
    mustBeSaved(this.document.uri);
    const chosen = await window.showOpenDialog({
      title: l10n.t('Add Pictures'),
      openLabel: l10n.t('Add'),
      canSelectMany: true,
      defaultUri: Uri.joinPath(this.document.uri, '..'),
      filters: { [l10n.t('Pictures')]: [...pictureExtensions] },
    });
    return this.#addUris(chosen ?? []);
  }

  /** Pictures of the same folder or below stay where they are; others are copied beside the subject file. */
  async #addUris(uris: readonly Uri[]) {
    const { uri } = this.document;
    const here = (one: Uri) =>
      one.scheme === uri.scheme && one.authority === uri.authority && isWithin(this.#folder, one.path);
    const pictures = uris.filter(({ path }) => isPicture(path));
    if (uris.length > 0 && pictures.length === 0)
      throw new Error(l10n.t('Only PNG, JPEG and WebP pictures can be added.'));
    const copies = await Promise.all(
      pictures
        .filter((one) => !here(one))
        .map(async (one) => ({ name: nameOf(one.path), bytes: await workspace.fs.readFile(one) })),
    );
    return this.#add(
      copies,
      pictures.filter(here).map(({ path }) => path),
    );
  }

  async #add(copies: readonly { name: string; bytes: Uint8Array }[], there: readonly string[] = []) {
    mustBeSaved(this.document.uri);
    const files = filesOf(this.document.uri);
    const pictures = new Map<string, Uint8Array>();
    for (const { name, bytes } of copies)
      pictures.set(await freePath(files, this.#folder, name, new Set(pictures.keys())), bytes);
    const paths = [...there, ...pictures.keys()];
    if (paths.length === 0) return {};
    const changes = await addEntries(this.document.getText(), this.#folder, files, paths);
    return this.#edit({ changes, pictures });
  }

  async #act(action: 'train' | 'text' | 'picture', id?: string) {
    const { uri } = this.document;
    // Training goes on long after the button was pressed.
    if (action === 'train') void commands.executeCommand('para.trainSubject', uri);
    else if (action === 'text') await commands.executeCommand('vscode.openWith', uri, 'default');
    else {
      const { gallery } = await contextOf(this.document, this.services);
      // A view may open pictures of its subject, and nothing else.
      const picture = gallery.pictures.find(({ path }) => path === id);
      if (picture) await commands.executeCommand('vscode.open', uri.with({ path: picture.path }));
    }
    return {};
  }
}
