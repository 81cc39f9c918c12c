import { commands, type Disposable, l10n, window } from 'vscode';
import type { AdapterServices } from './adapters/commands.ts';
import { AdapterTree } from './adapters/tree.ts';
import { hostLabel } from './hosts/label.ts';
import { thisMachine } from './hosts/this-machine.ts';
import { HostTree } from './hosts/tree.ts';
import { Disposables } from './platform/disposables.ts';
import type { HistoryView } from './runs/history.ts';
import { isActive } from './runs/run.ts';
import { RunTree } from './runs/tree.ts';
import { SubjectTree } from './subject/tree.ts';

/** What commands change about the sidebar. */
export interface Views extends Disposable {
  readonly runTree: RunTree;
  /** Lays the history out otherwise, and remembers it. */
  showRuns(view: Partial<HistoryView>): Promise<void>;
}

const viewKey = 'para.historyView';

/** The sidebar: runs, subjects, adapters, hosts. */
export function registerViews(services: AdapterServices, whichMachine: string): Views {
  const { context, runs, hosts, homecoming, library } = services;
  const owned = new Disposables();
  const saved = context.workspaceState.get<Partial<HistoryView>>(viewKey);
  const runTree = owned.add(
    new RunTree(runs, homecoming, { groupBy: saved?.groupBy ?? 'subject', filter: '' }, hostLabel),
  );
  const runView = owned.add(
    window.createTreeView('para.runs', {
      treeDataProvider: runTree,
      canSelectMany: true,
      showCollapseAll: true,
    }),
  );
  const badge = () => {
    const active = runs.all().filter(isActive).length;
    runView.badge = active ? { value: active, tooltip: l10n.t('{0} runs are active', active) } : undefined;
  };
  owned.add(runs.onChange(badge));

  owned.add(window.createTreeView('para.subjects', { treeDataProvider: owned.add(new SubjectTree(runs)) }));

  const adapterTree = owned.add(new AdapterTree(library));
  owned.add(
    window.createTreeView('para.adapters', {
      treeDataProvider: adapterTree,
      dragAndDropController: adapterTree,
      canSelectMany: true,
    }),
  );

  const hostTree = owned.add(new HostTree(hosts, whichMachine, (job) => runs.get(job)?.host !== thisMachine));
  const hostView = owned.add(window.createTreeView('para.hosts', { treeDataProvider: hostTree }));
  owned.add(hostView.onDidChangeVisibility(({ visible }) => hostTree.setVisible(visible)));
  hostTree.setVisible(hostView.visible);

  const showRuns = async (view: Partial<HistoryView>) => {
    runTree.show(view);
    const { groupBy, filter } = runTree.view;
    runView.description = filter;
    await context.workspaceState.update(viewKey, { groupBy });
    await commands.executeCommand('setContext', 'para.runsGroupedBy', groupBy);
    await commands.executeCommand('setContext', 'para.runsFiltered', filter !== '');
  };
  void showRuns({});
  return { runTree, showRuns, dispose: () => owned.dispose() };
}
