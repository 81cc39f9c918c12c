import {
  l10n,
  type Tab,
  TabInputWebview,
  ViewColumn,
  type WebviewPanel,
  type WebviewPanelSerializer,
  window,
} from 'vscode';
import { readRun, runFolder } from '../run.ts';
import { RunPanel, type RunPanelServices } from './panel.ts';
import { tabTitle } from './title.ts';

/** View type of run panels; the manifest's activation events name the same. */
export const runPanelType = 'para.run';

const open = new Map<string, RunPanel>();

function hold(services: RunPanelServices, panel: WebviewPanel, directory: string): void {
  const made = new RunPanel(services, panel, directory);
  open.set(directory, made);
  panel.onDidDispose(() => open.get(directory) === made && open.delete(directory));
}

/** Shows a run; its panel comes to the front where it is open already. @throws ParaError `run` */
export async function openRunPanel(services: RunPanelServices, directory: string): Promise<void> {
  const known = open.get(directory);
  if (known) {
    known.panel.reveal();
    return;
  }
  const sleeping = sleepingTabs(services, directory);
  const column = sleeping[0]?.group.viewColumn ?? ViewColumn.Active;
  const panel = window.createWebviewPanel(runPanelType, l10n.t('Run'), column, { enableScripts: true });
  try {
    hold(services, panel, directory);
  } catch (cause) {
    panel.dispose();
    throw cause;
  }
  await window.tabGroups.close(sleeping);
}

/** Tabs of a run that the window was closed with and nobody looked at since: nothing but their titles is known. */
function sleepingTabs({ runs }: RunPanelServices, directory: string): Tab[] {
  const run = readRun(directory);
  const title = run && tabTitle(run);
  // Another run of that minute may have the same title: a tab of it is not to be taken for this one's.
  if (runs.all().filter((one) => tabTitle(one) === title).length > 1) return [];
  if ([...open.values()].some(({ panel }) => panel.title === title)) return [];
  return window.tabGroups.all
    .flatMap(({ tabs }) => tabs)
    .filter(({ label, input }) => {
      // The editor puts a word of its own before the type.
      const isOurs = input instanceof TabInputWebview && input.viewType.endsWith(runPanelType);
      return isOurs && label === title;
    });
}

/** Whether a run's panel is on screen. */
export const isRunVisible = (directory: string): boolean => open.get(directory)?.panel.visible ?? false;

/** Brings panels back that were open when the window was closed or loaded again. */
export const runPanelSerializer = (services: RunPanelServices): WebviewPanelSerializer<{ run?: string }> => ({
  async deserializeWebviewPanel(panel, state) {
    // The state is a view's word: it may name a run of the folder of runs, and nothing else.
    const run = state?.run;
    const directory = run && runFolder(services.runs.folder, run);
    if (directory)
      try {
        const known = open.get(directory);
        if (!known) return hold(services, panel, directory);
        known.panel.reveal();
      } catch (cause) {
        services.log.info(`A panel is not brought back: ${String(cause)}`);
      }
    panel.dispose();
  },
});
