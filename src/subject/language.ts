import {
  type Disposable,
  EventEmitter,
  extensions,
  languages,
  RelativePattern,
  type TextDocument,
  Uri,
  window,
  workspace,
} from 'vscode';
import { LiveDiagnostics } from '../platform/diagnostics.ts';
import { Disposables } from '../platform/disposables.ts';
import { describe } from '../platform/failure.ts';
import { later, once } from '../platform/later.ts';
import type { Log } from '../platform/log.ts';
import { registerPromptFeatures } from '../prompt/providers.ts';
import type { SubjectServices } from './context.ts';
import { subjectLenses } from './providers/lenses.ts';

/** Language id of `*.para.json` files. */
export const subjectLanguage = 'para-subject';

/** Type of the editor with pictures and form, as the manifest names it. */
export const subjectEditorType = 'para.subjectEditor';

/** Who answers for subject files as text, and edits them with their pictures. */
const support = () => import('./support.ts');
const editor = () => import('./editor/editor.ts');

/** Support for subject files; what it knows is loaded with the first of them. */
export function registerSubjectLanguage(services: SubjectServices): Disposable {
  const owned = new Disposables();
  owned.add(
    registerPromptFeatures(
      subjectLanguage,
      async (document) => (await support()).subjectSpots(document),
      services,
    ),
  );
  owned.add(
    languages.registerDocumentLinkProvider(
      subjectLanguage,
      later('provideDocumentLinks', async () => (await support()).pictureLinks),
    ),
  );
  owned.add(
    languages.registerHoverProvider(
      subjectLanguage,
      later('provideHover', async () => (await support()).pictureHover(services)),
    ),
  );
  owned.add(languages.registerCodeLensProvider(subjectLanguage, subjectLenses));
  owned.add(
    languages.registerCompletionItemProvider(
      subjectLanguage,
      later('provideCompletionItems', async () => (await support()).valueCompletion(services)),
      '"',
      '/',
    ),
  );
  const around = owned.add(new Surroundings(services));
  const json = once(() => wakeJson(services.log));
  const find = async (document: TextDocument) => {
    void json();
    around.watch(document);
    return (await support()).problemsOf(document, services);
  };
  owned.add(new LiveDiagnostics(subjectLanguage, find, around.onDidChange, services.log));
  owned.add(
    window.registerCustomEditorProvider(
      subjectEditorType,
      later('resolveCustomTextEditor', async () => {
        const { SubjectEditorProvider } = await editor();
        return new SubjectEditorProvider(services.extensionUri, services, around.onDidChange);
      }),
    ),
  );
  return owned;
}

/** Wakes the JSON service, which wakes by itself for JSON files only: a folder may hold no other than ours. */
async function wakeJson(log: Log): Promise<void> {
  try {
    await extensions.getExtension('vscode.json-language-features')?.activate();
  } catch (cause) {
    log.warn(describe(cause));
  }
}

/** Pictures and captions beside open subject files, and the library: what their problems depend on. */
class Surroundings implements Disposable {
  readonly #owned = new Disposables();
  readonly #changed = this.#owned.add(new EventEmitter<void>());
  readonly onDidChange = this.#changed.event;
  readonly #watched = new Map<string, Disposable>();

  constructor({ library }: SubjectServices) {
    this.#owned.add(library.onDidChange(() => this.#changed.fire()));
    // Captions count as they are in the editor.
    this.#owned.add(
      workspace.onDidChangeTextDocument(({ document }) => {
        if (/\.(txt|jsonl)$/.test(document.uri.path)) this.#changed.fire();
      }),
    );
    this.#owned.add(
      workspace.onDidCloseTextDocument(({ uri }) => {
        this.#watched.get(uri.toString())?.dispose();
        this.#watched.delete(uri.toString());
      }),
    );
  }

  /** Watches the folder of a document as long as it is open. */
  watch({ uri }: TextDocument): void {
    const key = uri.toString();
    if (uri.scheme === 'untitled' || this.#watched.has(key)) return;
    const pattern = new RelativePattern(Uri.joinPath(uri, '..'), '**/*.{png,jpg,jpeg,webp,txt,jsonl}');
    const watcher = workspace.createFileSystemWatcher(pattern);
    for (const event of [watcher.onDidChange, watcher.onDidCreate, watcher.onDidDelete])
      event(() => this.#changed.fire());
    this.#watched.set(key, watcher);
  }

  dispose(): void {
    for (const watcher of this.#watched.values()) watcher.dispose();
    this.#owned.dispose();
  }
}
