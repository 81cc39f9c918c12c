import { join } from 'node:path';
import { l10n, ViewColumn, type WebviewPanel, type WebviewPanelSerializer, window } from 'vscode';
import { RunPanel, type RunPanelServices } from './panel.ts';

/** View type of run panels; the manifest's activation events name the same. */
export const runPanelType = 'para.run';

const open = new Map<string, RunPanel>();

function hold(services: RunPanelServices, panel: WebviewPanel, directory: string): void {
  const made = new RunPanel(services, panel, directory);
  open.set(directory, made);
  panel.onDidDispose(() => open.get(directory) === made && open.delete(directory));
}

/** Shows a run; its panel comes to the front where it is open already. @throws ParaError `run` */
export function openRunPanel(services: RunPanelServices, directory: string): void {
  const known = open.get(directory);
  if (known) {
    known.panel.reveal();
    return;
  }
  const panel = window.createWebviewPanel(runPanelType, l10n.t('Run'), ViewColumn.Active, {
    enableScripts: true,
  });
  try {
    hold(services, panel, directory);
  } catch (cause) {
    panel.dispose();
    throw cause;
  }
}

/** Whether a run's panel is on screen. */
export const isRunVisible = (directory: string): boolean => open.get(directory)?.panel.visible ?? false;

/** Brings panels back that were open when the window was closed or loaded again. */
export const runPanelSerializer = (services: RunPanelServices): WebviewPanelSerializer<{ run?: string }> => ({
  async deserializeWebviewPanel(panel, state) {
    // The state is a view's word: it may name a run of the folder of runs, and nothing else.
    const run = state?.run;
    if (run && /^[\w.-]+$/.test(run) && !run.startsWith('.'))
      try {
        return hold(services, panel, join(services.runs.folder, run));
      } catch (cause) {
        services.log.info(`A panel is not brought back: ${String(cause)}`);
      }
    panel.dispose();
  },
});
