import {
  EventEmitter,
  l10n,
  type TextDocumentContentProvider,
  Uri,
  ViewColumn,
  window,
  workspace,
} from 'vscode';
import type { Owned } from '../platform/signal.ts';
import { type RunArgument, whichRun } from './commands.ts';
import type { Services } from './services.ts';
import { trainerLog } from './trainer-log.ts';

const logScheme = 'para-log';

/** Bytes of a log's end that are shown. */
const mostBytes = 1 << 20;

/** Logs of runs as documents that are read only; shown again they are read again. */
export class RunLogs implements TextDocumentContentProvider, Owned {
  readonly #changed = new EventEmitter<Uri>();
  readonly onDidChange = this.#changed.event;
  readonly #registration = workspace.registerTextDocumentContentProvider(logScheme, this);

  constructor(readonly services: Services) {}

  async show(argument: RunArgument): Promise<void> {
    const run = await whichRun(this.services, argument, l10n.t('Show the log of which run?'));
    if (!run) return;
    const uri = Uri.from({ scheme: logScheme, path: `/${run.subject} ${run.method}.log`, query: run.id });
    const document = await workspace.openTextDocument(uri);
    this.#changed.fire(uri);
    await window.showTextDocument(document, { preview: true, viewColumn: ViewColumn.Active });
  }

  /** What the trainer wrote to its log, without secrets. */
  async provideTextDocumentContent({ query: id }: Uri): Promise<string> {
    const run = this.services.runs.get(id);
    if (!run) return l10n.t('This run is not here any more.');
    const { text, note } = await trainerLog(this.services, run, mostBytes, true);
    return [note, text].filter(Boolean).join('\n\n') || l10n.t('The log is empty.');
  }

  dispose(): void {
    this.#registration.dispose();
    this.#changed.dispose();
  }
}
