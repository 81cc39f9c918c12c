import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commands, l10n, RelativePattern, Uri, type WebviewPanel, window, workspace } from 'vscode';
import { defined } from '../../../remote-agent/src/common/defined.ts';
import { ParaError } from '../../../remote-agent/src/common/errors.ts';
import { jobFiles, readStatus } from '../../../remote-agent/src/jobs/job.ts';
import type { RequestHandlers } from '../../../webview/contract/kernel.ts';
import {
  type OtherRun,
  type RunNow,
  type RunView,
  runContract,
  type Sample,
} from '../../../webview/contract/run.ts';
import { Disposables } from '../../platform/disposables.ts';
import { describe } from '../../platform/failure.ts';
import { methodName } from '../../platform/format.ts';
import { page, tabIcon, viewsFolder } from '../../platform/webview/page.ts';
import { ViewServer } from '../../platform/webview/serve.ts';
import { type Estimate, readEstimate } from '../estimate.ts';
import { linkEvents } from '../link-log.ts';
import { pinnedFolder, pinnedPictures } from '../pinned.ts';
import { readRun, runFolder } from '../run.ts';
import type { Services } from '../services.ts';
import { trainerLog } from '../trainer-log.ts';
import { stateWord } from '../tree.ts';
import { FollowedRun } from './followed.ts';
import { lossesFrom, lossesOf, lossTable } from './losses.ts';
import { adapterOf } from './run-files.ts';
import type { RunChange, SampleFile } from './run-log.ts';
import { tabTitle } from './title.ts';
import { estimateEvent, eventText, linkEventText, phaseText, settingsOf } from './words.ts';

/** What a run panel needs of the extension. */
export type RunPanelServices = Services & {
  /** A host as people call it. */
  hostLabel(name: string): string;
};

/** A panel answers its first question after this long at the latest, in ms; what is not read then follows. */
const patience = 150;
/** Most events that are told, and most bytes of a log that are shown. */
const [mostEvents, mostLog] = [1000, 256 << 10];

/** One run in an editor tab. */
export class RunPanel {
  readonly id: string;
  readonly #owned = new Disposables();
  readonly #server: ViewServer<typeof runContract>;
  readonly #run: FollowedRun;
  readonly #estimate: Estimate | undefined;
  readonly #overlays = new Map<string, FollowedRun>();
  /** Samples whose files are still on their way here. */
  #awaited: SampleFile[] = [];
  #told = '';
  #toldOthers = '';

  /** @throws ParaError `run` */
  constructor(
    readonly services: RunPanelServices,
    readonly panel: WebviewPanel,
    readonly directory: string,
  ) {
    this.id = basename(directory);
    this.#run = this.#follow(this.id, directory);
    this.#estimate = readEstimate(directory);
    const { webview } = panel;
    const { extensionUri } = services.context;
    webview.options = {
      enableScripts: true,
      localResourceRoots: [viewsFolder(extensionUri), Uri.file(directory)],
    };
    const { subject, method, createdAt } = this.#run.spec;
    panel.title = tabTitle({ subject, method: method.name, createdAt });
    panel.iconPath = tabIcon(extensionUri, 'run');
    this.#server = this.#owned.add(new ViewServer(webview, runContract, this.#handlers(), services.log));
    this.#owned.add(services.homecoming.onChange((id) => id === this.id && this.#linkChanged()));
    this.#owned.add(services.runs.onChange(() => this.#runsChanged()));
    const pinned = workspace.createFileSystemWatcher(
      new RelativePattern(Uri.file(pinnedFolder(directory)), '*.png'),
    );
    this.#owned.add(pinned);
    const tellPinned = async () => this.#server.notify('pinned', { pinned: await this.#pinned() });
    for (const on of [pinned.onDidCreate, pinned.onDidChange, pinned.onDidDelete])
      this.#owned.add(on(() => void tellPinned()));
    panel.onDidDispose(() => this.dispose());
    webview.html = page(webview, extensionUri, 'run', panel.title);
  }

  #follow(id: string, directory: string): FollowedRun {
    return this.#owned.add(
      new FollowedRun(id, directory, {
        onCaughtUp: (run) => this.#caughtUp(run),
        onChange: (run, change) => this.#changed(run, change),
        onLook: (run) => run.id === this.id && this.#look(),
        onFailure: (cause) => this.services.log.error(describe(cause)),
      }),
    );
  }

  #caughtUp(run: FollowedRun): void {
    this.#server.notify('rewound', { run: run.id });
    if (run.id !== this.id) return;
    this.#server.notify('events', { events: this.#events() });
    this.#tellSamples(run.log.samples);
  }

  #changed(run: FollowedRun, change: RunChange): void {
    if (change.rewound) this.#server.notify('rewound', { run: run.id });
    else if (change.stepsFrom < run.log.steps.length || change.validationFrom < run.log.validation.length)
      this.#server.notify('losses', {
        run: run.id,
        ...lossesFrom(run.log, change.stepsFrom, change.validationFrom),
      });
    if (run.id !== this.id) return;
    if (change.told.length > 0) this.#server.notify('events', { events: this.#events() });
    this.#tellSamples(change.samples);
  }

  #look(): void {
    this.#tellNow();
    if (this.#awaited.length > 0) this.#tellSamples([]);
  }

  /** Tells of samples whose files are here. */
  #tellSamples(more: readonly SampleFile[]): void {
    const all = [...this.#awaited, ...more];
    this.#awaited = all.filter(({ file }) => !existsSync(file));
    const here = all.filter((sample) => !this.#awaited.includes(sample));
    if (here.length > 0) this.#server.notify('samples', { samples: here.map(this.#sample) });
  }

  readonly #sample = ({ step, prompt, seed, file }: SampleFile): Sample => ({
    ...{ step, prompt, seed },
    source: this.panel.webview.asWebviewUri(Uri.file(file)).toString(),
  });

  /** Pictures that were pinned to the run in comparisons. */
  async #pinned(): Promise<RunView['pinned']> {
    return (await pinnedPictures(this.directory)).map((file) => ({
      name: basename(file, '.png'),
      source: this.panel.webview.asWebviewUri(Uri.file(file)).toString(),
    }));
  }

  #linkChanged(): void {
    this.#server.notify('events', { events: this.#events() });
    this.#tellNow();
  }

  #runsChanged(): void {
    // Deleted: as with a file, its tab goes too.
    if (!existsSync(jobFiles(this.directory).spec)) {
      this.panel.dispose();
      return;
    }
    // Progress of the others is no news here.
    const ids = this.services.runs
      .all()
      .map(({ id }) => id)
      .join();
    if (ids === this.#toldOthers) return;
    this.#toldOthers = ids;
    this.#server.notify('others', { others: this.#others() });
  }

  #tellNow(): void {
    const now = this.#now();
    const text = JSON.stringify(now);
    if (text === this.#told) return;
    this.#told = text;
    this.#server.notify('now', now);
  }

  #now(): RunNow {
    const { log, spec } = this.#run;
    const status = readStatus(this.directory);
    const { steps } = log;
    const last = (name: Parameters<typeof steps.column>[0]) => steps.column(name).at(-1);
    const step = Math.max(status.state === 'queued' ? status.step : 0, last('step') ?? status.step);
    const total = Math.max(status.steps, step);
    const secondsAStep = log.secondsAStep;
    const running = status.state === 'running';
    const link = running ? this.services.homecoming.link(this.id) : undefined;
    return defined<RunNow>({
      state: status.state,
      stateText: stateWord(status),
      step,
      steps: total,
      loss: last('loss'),
      smoothedLoss: last('smoothedLoss'),
      learningRate: last('learningRate'),
      bestValidation: log.best,
      secondsAStep,
      // After the last step what is left is the last samples and the adapter: as long as those take.
      secondsLeft:
        running && step < total && secondsAStep !== undefined ? secondsAStep * (total - step) : undefined,
      memoryBytes: last('memoryBytes'),
      parameters: log.started?.parameters,
      layers: log.started?.layers,
      phase: running && log.phase ? phaseText(log.phase) : undefined,
      problem: status.state === 'failed' ? this.#problem(status.error) : undefined,
      link: link && link.at !== 'connected' ? linkText(link.at, spec.subject, link.problem) : undefined,
    });
  }

  /** Why it failed, and what to do about it where its log says so. */
  #problem(error: string | undefined): string | undefined {
    const event = this.#run.log.told.findLast((one) => one.type === 'error');
    if (error === undefined) return undefined;
    const { where, hint } = event?.message === error ? event : {};
    return describe(new ParaError('run', error, defined({ where, hint })));
  }

  #events(): RunView['events'] {
    const told = this.#run.log.told.slice(-mostEvents).map(eventText);
    const before = estimateEvent(this.#run.spec.createdAt, this.#estimate);
    return [...before, ...told, ...linkEvents(this.directory).map(linkEventText)].sort((a, b) =>
      a.time.localeCompare(b.time),
    );
  }

  #others(): OtherRun[] {
    return this.services.runs
      .all()
      .filter(({ id }) => id !== this.id)
      .slice(0, 200)
      .map(({ id, subject, method, createdAt }) => ({
        id,
        label: `${subject} · ${methodName(method)} · ${new Date(createdAt).toLocaleString()}`,
      }));
  }

  #handlers(): RequestHandlers<typeof runContract> {
    return {
      open: async () => {
        await Promise.race([this.#run.ready, sleep(patience)]);
        return this.#view();
      },
      losses: async ({ run, ...range }) => {
        const followed = this.#followed(run);
        await Promise.race([followed.ready, sleep(patience)]);
        return lossesOf(followed.log, range);
      },
      forget: ({ run }) => {
        this.#overlays.get(run)?.dispose();
        this.#overlays.delete(run);
        return {};
      },
      layers: async () => {
        const header = await adapterOf(this.directory);
        if (header) return { layers: [...header.layers] };
        const { started } = this.#run.log;
        const note = started
          ? l10n.t(
              '{0} layers with {1} parameters; listed when the first adapter is kept.',
              started.layers,
              started.parameters,
            )
          : l10n.t('Known when training has begun.');
        return { layers: [], note };
      },
      log: async () => {
        const run = readRun(this.directory);
        return run ? trainerLog(this.services, run, mostLog, false) : { text: '', cut: false };
      },
      act: async ({ action }) => {
        const about = action === 'reconnect' ? readRun(this.directory)?.host : this.id;
        await commands.executeCommand(commandOf[action], about);
        return {};
      },
      saveChart: async ({ png }) => this.#save(`${this.id}.png`, 'PNG', new Uint8Array(png)),
      saveTable: async ({ runs }) => {
        const chosen = runs.map((run) => this.#followed(run));
        await Promise.all(chosen.map(({ ready }) => ready));
        return this.#save(`${this.id}.csv`, 'CSV', new TextEncoder().encode(lossTable(chosen)));
      },
      saveSample: async ({ step, prompt }) => {
        const sample = this.#run.log.samples.find((one) => one.step === step && one.prompt === prompt);
        if (!sample) return {};
        const bytes = await workspace.fs.readFile(Uri.file(sample.file));
        return this.#save(`${this.id}-${basename(sample.file)}`, 'PNG', bytes);
      },
    };
  }

  async #view(): Promise<RunView> {
    const { spec, log } = this.#run;
    const pinned = await this.#pinned();
    const samples = log.samples;
    this.#awaited = samples.filter(({ file }) => !existsSync(file));
    return {
      id: this.id,
      subject: spec.subject,
      method: methodName(spec.method.name),
      base: spec.base.name,
      place: this.services.hostLabel(readRun(this.directory)?.host ?? ''),
      createdAt: spec.createdAt,
      now: this.#now(),
      ...(this.#estimate ? { estimate: this.#estimate } : {}),
      prompts: [...spec.samples.prompts],
      samples: samples.filter((sample) => !this.#awaited.includes(sample)).map(this.#sample),
      pinned,
      events: this.#events(),
      settings: settingsOf(spec),
      others: this.#others(),
    };
  }

  #followed(id: string): FollowedRun {
    if (id === this.id) return this.#run;
    const known = this.#overlays.get(id);
    if (known) return known;
    const { runs } = this.services;
    // A window that is loaded again shows panels before it has read the list of runs.
    const directory = runs.get(id)?.directory ?? runFolder(runs.folder, id);
    if (!directory || !readRun(directory)) throw new Error(l10n.t('This run is not here any more.'));
    const followed = this.#follow(id, directory);
    this.#overlays.set(id, followed);
    return followed;
  }

  async #save(name: string, kind: 'PNG' | 'CSV', bytes: Uint8Array): Promise<Record<never, never>> {
    const folder = workspace.workspaceFolders?.[0]?.uri ?? Uri.file(this.directory);
    const target = await window.showSaveDialog({
      defaultUri: Uri.joinPath(folder, name),
      filters: { [kind]: [kind.toLowerCase()] },
    });
    try {
      if (target) await workspace.fs.writeFile(target, bytes);
    } catch (cause) {
      void this.services.failures.show(cause);
    }
    return {};
  }

  dispose(): void {
    this.#owned.dispose();
  }
}

const commandOf = {
  stop: 'para.stopTraining',
  continue: 'para.continueTraining',
  export: 'para.exportAdapter',
  compare: 'para.compareAdapters',
  log: 'para.showRunLog',
  folder: 'para.revealRunFolder',
  reconnect: 'para.reconnect',
} as const;

const linkText = (at: 'waiting' | 'stopped', subject: string, problem: unknown) =>
  [
    at === 'waiting'
      ? l10n.t('Connection lost, trying again. {0} trains on.', subject)
      : l10n.t('Connection lost. {0} trains on; reconnect to the host to see it.', subject),
    problem ? describe(problem) : '',
  ]
    .join(' ')
    .trim();
