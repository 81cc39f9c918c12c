import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { env, l10n, Uri, type WebviewPanel, window, workspace } from 'vscode';
import { writeFileAtomic } from '../../remote-agent/src/common/files.ts';
import { withPngText } from '../../remote-agent/src/dataset/png-text.ts';
import { adapterTag } from '../../remote-agent/src/diffusion/prompt.ts';
import { schedulerLabels } from '../../remote-agent/src/diffusion/schedulers/names.ts';
import type { GenerationProgress } from '../../remote-agent/src/protocol/contract/generation.ts';
import { type ComparisonView, compareContract } from '../../webview/contract/compare.ts';
import type { RequestHandlers } from '../../webview/contract/kernel.ts';
import type { AdapterServices } from '../adapters/commands.ts';
import { basesOf, basesOfHosts, rememberBases } from '../hosts/known-bases.ts';
import { hostLabel } from '../hosts/label.ts';
import { Disposables } from '../platform/disposables.ts';
import { describe } from '../platform/failure.ts';
import { setting } from '../platform/settings.ts';
import { gathered } from '../platform/signal.ts';
import { page, tabIcon, viewsFolder } from '../platform/webview/page.ts';
import { ViewServer } from '../platform/webview/serve.ts';
import { pinnedFolder } from '../runs/pinned.ts';
import { drawingDevice } from '../subject/device.ts';
import { baseColumn, columnOf, newId, rowOf } from './adapters.ts';
import { type Chosen, chooseColumns } from './choose.ts';
import { Comparison, fileNameOf } from './comparison.ts';
import { type ColumnModel, type ComparisonState, keyOf, promptLineOf } from './model.ts';
import { Painter } from './painter.ts';
import { PictureCache } from './picture-cache.ts';
import { rememberPlace } from './place.ts';

/** What a comparison needs of the extension. */
export type ComparisonServices = Pick<AdapterServices, 'context' | 'log' | 'failures' | 'hosts' | 'library'>;

/** Bytes of drawn pictures that are kept. */
const [mostPictures, mostPreviews] = [512 << 20, 16 << 20];

/** Schedulers by the names that the host knows and people read. */
const schedulers = Object.entries(schedulerLabels).map(([value, label]) => ({ value, label }));

/** One comparison, or the drawing of single pictures, in an editor tab. */
export class ComparisonPanel {
  readonly #owned = new Disposables();
  readonly #server: ViewServer<typeof compareContract>;
  readonly #comparison: Comparison;

  /** @param paused what is missing is drawn only when somebody wants it: after a reload nobody asked for it */
  constructor(
    readonly services: ComparisonServices,
    readonly panel: WebviewPanel,
    state: ComparisonState,
    paused: boolean,
  ) {
    const { context, hosts, log } = services;
    const storage = context.globalStorageUri.fsPath;
    const { webview } = panel;
    webview.options = {
      enableScripts: true,
      localResourceRoots: [
        viewsFolder(context.extensionUri),
        Uri.file(join(storage, 'pictures')),
        Uri.file(join(storage, 'previews')),
      ],
    };
    const painter = new Painter(
      (host) => hosts.session(host),
      `view-${state.id}`,
      drawingDevice,
      (host, names) => rememberBases(context.globalState, host, names),
    );
    let last = state;
    const save = this.#owned.add(gathered(300, () => saveSnapshot(storage, last)));
    this.#comparison = this.#owned.add(
      new Comparison(
        state,
        {
          cache: new PictureCache(join(storage, 'pictures'), mostPictures),
          previews: new PictureCache(join(storage, 'previews'), mostPreviews),
          place: (place) => painter.place(place),
          paint: (drawing, beside, hooks) => painter.draw(drawing, beside, hooks),
          previewEvery: () => setting('previewEvery'),
          sourceOf: (path) => webview.asWebviewUri(Uri.file(path)).toString(),
          describe,
          describeProgress,
          describeSteps: (steps) => l10n.t('{0} steps', steps),
          onView: () => this.#server.notify('view', this.#view()),
          onCell: (cell) => this.#server.notify('cell', cell),
          save: (now) => {
            last = now;
            save();
          },
        },
        paused,
      ),
    );
    saveSnapshot(storage, state);
    panel.title = titleOf(state);
    panel.iconPath = tabIcon(context.extensionUri, 'compare');
    this.#server = this.#owned.add(
      new ViewServer(webview, compareContract, this.#handlers(), log, (cause) => {
        void services.failures.show(cause);
      }),
    );
    let known = this.#places().length;
    this.#owned.add(
      hosts.onChange(() => {
        // How a host does is no news here, only that it came or went.
        const before = known;
        known = this.#places().length;
        if (known !== before) this.#server.notify('view', this.#view());
      }),
    );
    panel.onDidDispose(() => this.dispose());
    webview.html = page(webview, context.extensionUri, 'compare', panel.title);
    void this.#comparison.trim();
    if (!paused) this.#comparison.start();
  }

  #view(): ComparisonView {
    const { state, paused, problem } = this.#comparison;
    const { host, base, width, height } = state.place;
    return {
      ...{ id: state.id, mode: state.mode, place: host, places: this.#places() },
      ...{ base, bases: this.#bases() },
      settings: state.settings,
      ...(width && height ? { baseSize: { width, height } } : {}),
      schedulers,
      ...this.#comparison.view(),
      paused,
      ...(problem === undefined ? {} : { problem }),
    };
  }

  /** All hosts, and the one that it is drawn on though it may be gone. */
  #places(): ComparisonView['places'] {
    const { host } = this.#comparison.state.place;
    let names: string[] = [];
    try {
      names = this.services.hosts.names();
    } catch {
      // A damaged list of hosts is told of where hosts are shown; what is drawn here goes on.
    }
    return [...new Set([...names, host])].map((value) => ({ value, label: hostLabel(value) }));
  }

  /** The bases of the place, as far as is known: all that are known where it was not asked yet. */
  #bases(): string[] {
    const { host, base } = this.#comparison.state.place;
    const memory = this.services.context.globalState;
    return [...new Set([base, ...(basesOf(memory, host) ?? basesOfHosts(memory))])].sort();
  }

  async #setPlace({ place: host, base }: { readonly place?: string; readonly base?: string }) {
    if (host !== undefined) {
      this.services.hosts.profile(host);
      const applied = this.#comparison.state.columns.flatMap(({ adapter }) => adapter ?? []);
      await rememberPlace(this.services, applied, host);
    }
    const { place } = this.#comparison.state;
    this.#comparison.change({ place: { host: host ?? place.host, base: base ?? place.base } });
  }

  /** Asks what to draw with, and draws with that: in a table too, for single pictures instead. */
  async #addColumn(): Promise<void> {
    const before = this.#comparison.state;
    const single = before.mode === 'generate';
    const offered = before.columns.some(({ method }) => method === 'base') ? [] : [before.place.base];
    const chosen = await chooseColumns(this.services, offered, {
      title: single ? l10n.t('Draw with which adapter?') : l10n.t('Compare with which adapters?'),
      several: !single,
    });
    if (!chosen?.length) return;
    const added = await Promise.all(chosen.map(columnFor));
    const base = single ? chosen[0]?.adapter?.base : undefined;
    // It may have been changed while somebody chose.
    const { columns, place } = this.#comparison.state;
    this.#comparison.change({
      columns: single ? added : [...columns, ...added],
      ...(base && base !== place.base ? { place: { host: place.host, base } } : {}),
    });
  }

  #handlers(): RequestHandlers<typeof compareContract> {
    const comparison = this.#comparison;
    const { library } = this.services;
    const rows = () => comparison.state.rows;
    const columns = () => comparison.state.columns;
    return {
      open: () => this.#view(),
      setStrength: ({ column, strength }) => done(comparison.setColumn(column, { strength })),
      setSettings: (settings) => done(comparison.setSettings(settings)),
      setPrompt: async ({ row, text }) => done(comparison.setRow(row, without(await rowOf(library, text)))),
      addPrompt: async ({ text }) => {
        const offset = rows().reduce((most, row) => Math.max(most, row.offset + 1), 0);
        const row = { id: newId(), offset, ...(await rowOf(library, text)) };
        return done(comparison.change({ rows: [...rows(), row] }));
      },
      removePrompt: ({ row }) => done(comparison.change({ rows: rows().filter(({ id }) => id !== row) })),
      setPlace: async (place) => done(await this.#setPlace(place)),
      addColumn: async () => done(await this.#addColumn()),
      removeColumn: ({ column }) => {
        const left = columns().filter(({ id }) => id !== column);
        return done(comparison.change({ columns: left.length > 0 ? left : [baseColumn()] }));
      },
      draw: () => done(comparison.start()),
      stop: () => done(comparison.pause()),
      copyPrompt: async (at) => {
        const drawing = comparison.drawingAt(at);
        if (!drawing) return {};
        await env.clipboard.writeText(promptLineOf(drawing));
        window.setStatusBarMessage(l10n.t('The prompt was copied'), 3000);
        return {};
      },
      savePicture: async (at) => {
        const picture = comparison.pictureOf(at);
        if (picture) await save(fileNameOf(picture.drawing), await readFile(picture.path));
        return {};
      },
      saveSheet: async ({ png }) => {
        const told = rows().flatMap((row) =>
          columns().flatMap((column) => {
            const picture = comparison.pictureOf({ column: column.id, row: row.id });
            return picture ? [promptLineOf(picture.drawing)] : [];
          }),
        );
        await save('comparison.png', withPngText(new Uint8Array(png), 'parameters', told.join('\n')));
        return {};
      },
      pin: async (at) => this.#pin(at),
      recall: async ({ key }) => {
        const drawing = comparison.state.history.find((one) => keyOf(one) === key);
        if (!drawing) return {};
        const { prompt, settings, adapters, place } = drawing;
        const [column, row] = [columns()[0]!, rows()[0]!];
        const applied = adapters.find(({ hash }) => hash === column.adapter?.hash);
        const named = adapters.filter((one) => one !== applied);
        const tags = named.map(({ name, strength }) => ` ${adapterTag(name, strength)}`).join('');
        return done(
          comparison.change({
            ...{ place, settings },
            rows: [{ id: row.id, offset: 0, ...(await rowOf(library, prompt + tags)) }],
            columns: [
              applied ? { ...column, strength: applied.strength } : { ...baseColumn(), id: column.id },
            ],
          }),
        );
      },
    };
  }

  /** Keeps a picture with the run of its column, or of the first column that has one. */
  async #pin(at: { readonly column: string; readonly row: string }): Promise<Record<never, never>> {
    const picture = this.#comparison.pictureOf(at);
    const { columns } = this.#comparison.state;
    const own = columns.find(({ id }) => id === at.column)?.adapter?.run;
    const run = own ?? columns.find(({ adapter }) => adapter?.run)?.adapter?.run;
    if (!picture || !run) return {};
    const folder = pinnedFolder(run.directory);
    await mkdir(folder, { recursive: true });
    await copyFile(picture.path, join(folder, fileNameOf(picture.drawing)));
    window.setStatusBarMessage(l10n.t('Pinned to {0}', basename(run.directory)), 3000);
    return {};
  }

  dispose(): void {
    this.#owned.dispose();
  }
}

/** What is to be answered where there is nothing to say. */
const done = (_: unknown): Record<never, never> => ({});

const columnFor = async ({ adapter }: Chosen): Promise<ColumnModel> =>
  adapter ? columnOf(adapter) : baseColumn();

/** A row's new text without the problem of the old one. */
const without = <T extends { problem?: string }>(row: T) => ({ ...row, problem: row.problem });

async function save(name: string, bytes: Uint8Array): Promise<void> {
  const folder = workspace.workspaceFolders?.[0]?.uri;
  const target = await window.showSaveDialog({
    ...(folder ? { defaultUri: Uri.joinPath(folder, name) } : {}),
    filters: { PNG: ['png'] },
  });
  if (target) await workspace.fs.writeFile(target, bytes);
}

function describeProgress(progress: GenerationProgress['progress']): string | undefined {
  switch (progress.at) {
    case 'queued':
      return progress.place > 0 ? l10n.t('Waiting: {0} before it', progress.place) : undefined;
    case 'waiting':
      return progress.reason;
    case 'loading':
      return l10n.t('Loading the base');
    default:
      return undefined;
  }
}

const titleOf = ({ mode, columns, place }: ComparisonState): string => {
  const adapters = columns.filter(({ adapter }) => adapter).map(({ label }) => label);
  const what = adapters[0] ?? place.base;
  return mode === 'generate' ? l10n.t('Generate: {0}', what) : l10n.t('Compare: {0}', what);
};

export const snapshotFile = (storage: string, id: string) => join(storage, 'comparisons', `${id}.json`);

const saveSnapshot = (storage: string, state: ComparisonState): void =>
  writeFileAtomic(snapshotFile(storage, state.id), `${JSON.stringify(state)}\n`);

/** What a comparison was when it was last changed; `undefined` where nothing is known of it. */
export async function readSnapshot(storage: string, id: string): Promise<ComparisonState | undefined> {
  try {
    const state = JSON.parse(await readFile(snapshotFile(storage, id), 'utf8')) as ComparisonState;
    return state.version === 1 && state.id === id ? state : undefined;
  } catch {
    return undefined;
  }
}
