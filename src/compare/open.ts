import { rm } from 'node:fs/promises';
import { l10n, ViewColumn, type WebviewPanel, type WebviewPanelSerializer, window } from 'vscode';
import type { LibraryAdapter } from '../adapters/library.ts';
import { withLateProgress } from '../platform/progress.ts';
import { baseColumn, columnOf, newId, rowOf } from './adapters.ts';
import { type ComparisonState, defaultSettings } from './model.ts';
import { ComparisonPanel, type ComparisonServices, readSnapshot, snapshotFile } from './panel.ts';

/** View type of comparisons; the manifest's activation events name the same. */
export const comparisonType = 'para.compare';

/** What a comparison begins with. */
export interface ComparisonRequest {
  readonly host: string;
  readonly base: string;
  /** Adapters by column; the base alone where one is `undefined`. */
  readonly columns: readonly (LibraryAdapter | undefined)[];
  /** Their strengths; 1 where nothing is said. */
  readonly strengths?: readonly number[];
  /** Prompts as prompt files have them. */
  readonly prompts: readonly string[];
  /** One picture after the other instead of a table. */
  readonly mode?: ComparisonState['mode'];
  readonly settings?: Partial<ComparisonState['settings']>;
}

/**
 * Opens a comparison in a tab of its own, once its adapters' files are read.
 * @throws ParaError `safetensors` where an adapter's file is none
 */
export async function openComparison(
  services: ComparisonServices,
  request: ComparisonRequest,
): Promise<void> {
  const single = request.mode === 'generate';
  const work = single ? l10n.t('Reading the adapter') : l10n.t('Reading the adapters to compare');
  const state = await withLateProgress(work, (signal) => stateOf(services, request, signal));
  const title = single ? l10n.t('Generate') : l10n.t('Compare');
  const panel = window.createWebviewPanel(comparisonType, title, ViewColumn.Active, { enableScripts: true });
  hold(services, panel, state, false);
}

async function stateOf(
  { library }: ComparisonServices,
  { host, base, columns, strengths = [], prompts, mode = 'compare', settings }: ComparisonRequest,
  signal: AbortSignal,
): Promise<ComparisonState> {
  return {
    version: 1,
    id: newId(),
    mode,
    place: { host, base },
    settings: { ...defaultSettings, ...settings },
    columns: await Promise.all(
      columns.map((adapter, i) => (adapter ? columnOf(adapter, strengths[i], signal) : baseColumn())),
    ),
    rows: await Promise.all(
      prompts.map(async (text, offset) => ({ id: newId(), offset, ...(await rowOf(library, text)) })),
    ),
    history: [],
  };
}

function hold(
  services: ComparisonServices,
  panel: WebviewPanel,
  state: ComparisonState,
  paused: boolean,
): void {
  new ComparisonPanel(services, panel, state, paused);
  // Closed by a person it is not wanted back; a window that ends closes nothing.
  const { fsPath } = services.context.globalStorageUri;
  panel.onDidDispose(() => void rm(snapshotFile(fsPath, state.id), { force: true }));
}

/** Brings comparisons back that were open when the window was closed or loaded again. */
export const comparisonSerializer = (
  services: ComparisonServices,
): WebviewPanelSerializer<{ id?: string }> => ({
  async deserializeWebviewPanel(panel, saved) {
    const { fsPath } = services.context.globalStorageUri;
    const id = saved?.id;
    const state = id && /^[0-9a-f]{12}$/.test(id) ? await readSnapshot(fsPath, id) : undefined;
    if (state) hold(services, panel, state, true);
    else panel.dispose();
  },
});
