import { type Disposable, window } from 'vscode';
import type { CompareCommandServices } from './compare/start.ts';
import { Disposables } from './platform/disposables.ts';
import type { RunPanelServices } from './runs/panel/panel.ts';
import type { Run } from './runs/run.ts';

/** What the editor tabs of runs and comparisons need. */
export type PanelServices = RunPanelServices & CompareCommandServices;

let loaded: typeof import('./runs/panel/open.ts') | undefined;

/** What shows runs, loaded with the first that is shown. */
async function panels() {
  loaded ??= await import('./runs/panel/open.ts');
  return loaded;
}

/** Whether somebody looks at a run now. */
export const isWatched = ({ directory }: Run): boolean =>
  window.state.focused && (loaded?.isRunVisible(directory) ?? false);

/** Shows a run in a tab of its own. */
export async function showRun(services: PanelServices, run: Run): Promise<void> {
  const { openRunPanel } = await panels();
  await openRunPanel(services, run.directory);
}

/** Brings back the tabs that were open when the window was closed or loaded again. */
export function restorePanels(services: PanelServices): Disposable {
  const owned = new Disposables();
  owned.add(
    window.registerWebviewPanelSerializer('para.run', {
      deserializeWebviewPanel: async (panel, state: { run?: string }) => {
        const { runPanelSerializer } = await panels();
        await runPanelSerializer(services).deserializeWebviewPanel(panel, state);
      },
    }),
  );
  owned.add(
    window.registerWebviewPanelSerializer('para.compare', {
      deserializeWebviewPanel: async (panel, state: { id?: string }) => {
        const { comparisonSerializer } = await import('./compare/open.ts');
        await comparisonSerializer(services).deserializeWebviewPanel(panel, state);
      },
    }),
  );
  return owned;
}
