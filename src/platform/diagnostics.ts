import {
  CodeAction,
  CodeActionKind,
  type CodeActionProvider,
  Diagnostic,
  DiagnosticRelatedInformation,
  DiagnosticSeverity,
  type Disposable,
  type Event,
  Location,
  languages,
  Range,
  type TextDocument,
  type Uri,
  WorkspaceEdit,
  workspace,
} from 'vscode';
import { Disposables } from './disposables.ts';
import { describe } from './failure.ts';
import type { Log } from './log.ts';
import type { Fix, Problem } from './problem.ts';

/** How long nothing must be typed before a document is looked at again, in ms. */
const settle = 200;

const severities = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  information: DiagnosticSeverity.Information,
} as const;

/** Shows the problems of all open documents of one language, and offers their fixes. */
export class LiveDiagnostics implements Disposable, CodeActionProvider {
  readonly #owned = new Disposables();
  readonly #shown;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #found = new Map<string, readonly Problem[]>();

  constructor(
    readonly language: string,
    readonly find: (document: TextDocument) => Promise<readonly Problem[]>,
    /** Something beside the documents changed. */
    again: Event<unknown>,
    readonly log: Log,
  ) {
    this.#shown = this.#owned.add(languages.createDiagnosticCollection(language));
    this.#owned.add(workspace.onDidOpenTextDocument((document) => this.#soon(document, 0)));
    this.#owned.add(workspace.onDidChangeTextDocument(({ document }) => this.#soon(document, settle)));
    this.#owned.add(workspace.onDidCloseTextDocument(({ uri }) => this.#forget(uri)));
    this.#owned.add(again(() => this.refresh()));
    this.#owned.add(
      languages.registerCodeActionsProvider({ language }, this, {
        providedCodeActionKinds: [CodeActionKind.QuickFix],
      }),
    );
    this.refresh();
  }

  /** Looks at every open document again. */
  refresh(): void {
    for (const document of workspace.textDocuments) this.#soon(document, settle);
  }

  #soon(document: TextDocument, delay: number): void {
    if (document.languageId !== this.language) return;
    // What cannot be written, such as the old side of a comparison, cannot be mended.
    if (workspace.fs.isWritableFileSystem(document.uri.scheme) !== true) return;
    const key = document.uri.toString();
    clearTimeout(this.#timers.get(key));
    this.#timers.set(
      key,
      setTimeout(() => void this.#look(document, key), delay),
    );
  }

  async #look(document: TextDocument, key: string): Promise<void> {
    const { version } = document;
    try {
      const problems = await this.find(document);
      // What was typed meanwhile has its own turn.
      if (document.isClosed || document.version !== version) return;
      this.#found.set(key, problems);
      const shown = problems.filter(({ shownElsewhere }) => !shownElsewhere);
      this.#shown.set(
        document.uri,
        shown.map((problem) => diagnosticOf(problem, document)),
      );
    } catch (cause) {
      this.log.warn(`${key}: ${describe(cause)}`);
    }
  }

  #forget(uri: Uri): void {
    const key = uri.toString();
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    this.#found.delete(key);
    this.#shown.delete(uri);
  }

  provideCodeActions(document: TextDocument, range: Range): CodeAction[] {
    const problems = this.#found.get(document.uri.toString()) ?? [];
    return problems
      .filter((problem) => rangeOf(problem, document).intersection(range))
      .flatMap((problem) => (problem.fixes ?? []).map((fix) => actionOf(fix, problem, document)));
  }

  dispose(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#owned.dispose();
  }
}

/** The range of `start` to before `end` in a document. */
export const rangeOf = (
  { start, end }: { readonly start: number; readonly end: number },
  document: TextDocument,
): Range => new Range(document.positionAt(start), document.positionAt(end));

function diagnosticOf(problem: Problem, document: TextDocument): Diagnostic {
  const diagnostic = new Diagnostic(
    rangeOf(problem, document),
    problem.message,
    severities[problem.severity],
  );
  diagnostic.source = 'PaRa';
  diagnostic.code = problem.code;
  if (problem.related) {
    const { path, message } = problem.related;
    const location = new Location(document.uri.with({ path }), new Range(0, 0, 0, 0));
    diagnostic.relatedInformation = [new DiagnosticRelatedInformation(location, message)];
  }
  return diagnostic;
}

function actionOf(fix: Fix, problem: Problem, document: TextDocument): CodeAction {
  const action = new CodeAction(fix.title, CodeActionKind.QuickFix);
  action.isPreferred = fix.preferred ?? false;
  if (!problem.shownElsewhere) action.diagnostics = [diagnosticOf(problem, document)];
  const edit = new WorkspaceEdit();
  for (const change of fix.changes ?? []) edit.replace(document.uri, rangeOf(change, document), change.text);
  for (const { path, content } of fix.files ?? [])
    edit.replace(document.uri.with({ path }), new Range(0, 0, 1_000_000, 0), content);
  action.edit = edit;
  return action;
}
