import {
  EventEmitter,
  l10n,
  type TextDocumentContentProvider,
  Uri,
  ViewColumn,
  window,
  workspace,
} from 'vscode';
import { redact } from '../../remote-agent/src/common/redact.ts';
import { jobFiles } from '../../remote-agent/src/jobs/job.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import type { Owned } from '../platform/signal.ts';
import { type RunArgument, whichRun } from './commands.ts';
import { endOf } from './panel/run-files.ts';
import type { Services } from './services.ts';

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
    const { hosts, runs } = this.services;
    const run = runs.get(id);
    if (!run) return l10n.t('This run is not here any more.');
    const here = (await endOf(jobFiles(run.directory).log, mostBytes)).text;
    if (here || run.host === thisMachine || hosts.status(run.host).at !== 'connected')
      return redact(here) || l10n.t('The log is empty.');
    const session = await hosts.session(run.host);
    return redact((await session.call('jobs/log', { id: run.job, bytes: mostBytes })).text);
  }

  dispose(): void {
    this.#registration.dispose();
    this.#changed.dispose();
  }
}
