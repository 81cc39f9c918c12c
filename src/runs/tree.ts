import {
  EventEmitter,
  l10n,
  MarkdownString,
  ThemeColor,
  ThemeIcon,
  type TreeDataProvider,
  TreeItem,
  TreeItemCollapsibleState,
  Uri,
} from 'vscode';
import { readSpec } from '../../remote-agent/src/jobs/job.ts';
import type { TrainSpec } from '../../remote-agent/src/subject/train-spec.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { methodName } from '../platform/format.ts';
import { gathered, type Owned } from '../platform/signal.ts';
import { told } from '../platform/told.ts';
import { groupRuns, type HistoryView, type RunGroup } from './history.ts';
import type { Homecoming } from './homecoming.ts';
import { rankWords } from './panel/adapter-header.ts';
import { adapterOf } from './panel/run-files.ts';
import { isActive, type Run } from './run.ts';
import { latestSample } from './samples.ts';
import type { RunStore } from './store.ts';

/** Runs of a group that are shown before "Show more". */
const pageSize = 100;

type Node =
  | { readonly kind: 'group'; readonly name: string }
  | { readonly kind: 'run'; readonly id: string }
  | { readonly kind: 'more'; readonly group: string };

export const runNode = (id: string): Node => ({ kind: 'run', id });

/** The history of runs as a tree: groups, then runs with their state. */
export class RunTree implements TreeDataProvider<Node>, Owned {
  readonly #changed = new EventEmitter<Node | undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #refresh = gathered(300, () => this.#changed.fire(undefined));
  readonly #owned: Owned[];
  readonly #shown = new Map<string, number>();
  #groups: RunGroup[] | undefined;

  constructor(
    readonly store: RunStore,
    readonly homecoming: Homecoming,
    public view: HistoryView,
    readonly hostLabel: (name: string) => string,
  ) {
    this.#owned = [store.onChange(() => this.#again()), homecoming.onChange(() => this.#again())];
  }

  #again(): void {
    this.#groups = undefined;
    this.#refresh();
  }

  /** Lays the history out otherwise. */
  show(view: Partial<HistoryView>): void {
    this.view = { ...this.view, ...view };
    this.#again();
  }

  showMore(group: string): void {
    this.#shown.set(group, (this.#shown.get(group) ?? pageSize) + 5 * pageSize);
    this.#changed.fire(undefined);
  }

  #grouped(): RunGroup[] {
    this.#groups ??= groupRuns(this.store.all(), this.view);
    return this.#groups;
  }

  getChildren(node?: Node): Node[] {
    if (!node) return this.#grouped().map(({ name }) => ({ kind: 'group', name }));
    if (node.kind !== 'group') return [];
    const runs = this.#grouped().find(({ name }) => name === node.name)?.runs ?? [];
    const shown = this.#shown.get(node.name) ?? pageSize;
    const nodes: Node[] = runs.slice(0, shown).map(({ id }) => ({ kind: 'run', id }));
    return runs.length > shown ? [...nodes, { kind: 'more', group: node.name }] : nodes;
  }

  getParent(node: Node): Node | undefined {
    if (node.kind !== 'run') return undefined;
    const run = this.store.get(node.id);
    return run && { kind: 'group', name: run[this.view.groupBy] };
  }

  getTreeItem(node: Node): TreeItem {
    if (node.kind === 'group') return this.#groupItem(node.name);
    if (node.kind === 'more') {
      const item = new TreeItem(l10n.t('Show more ...'));
      item.id = `more ${node.group}`;
      item.command = { command: 'para.showMoreRuns', title: '', arguments: [node.group] };
      return item;
    }
    const run = this.store.get(node.id);
    return run ? this.#runItem(run) : new TreeItem(node.id);
  }

  #groupItem(name: string): TreeItem {
    const group = this.#grouped().find((one) => one.name === name);
    const isHost = this.view.groupBy === 'host';
    const item = new TreeItem(isHost ? this.hostLabel(name) : name, TreeItemCollapsibleState.Expanded);
    item.id = `${this.view.groupBy} ${name}`;
    item.iconPath = new ThemeIcon(isHost ? 'server' : 'symbol-color');
    item.contextValue = 'group';
    const count = group?.runs.length ?? 0;
    item.description = group?.active ? l10n.t('{0}, {1} active', count, group.active) : String(count);
    return item;
  }

  #runItem(run: Run): TreeItem {
    const method = methodName(run.method);
    const item = new TreeItem(`${method} ${when(run.createdAt)}`);
    item.id = run.id;
    item.description = this.#description(run);
    const link = this.homecoming.link(run.id)?.at;
    item.iconPath = icon(run, link === 'waiting');
    const away = isActive(run) && run.host !== thisMachine && link !== 'connected' ? '.away' : '';
    item.contextValue = `run.${isActive(run) ? 'active' : 'over'}.${run.state}${away}`;
    item.command = { command: 'para.showRun', title: l10n.t('Show Run'), arguments: [run.id] };
    item.accessibilityInformation = {
      label: `${run.subject}, ${method}, ${stateWord(run)}, ${item.description}`,
    };
    return item;
  }

  #description(run: Run): string {
    const parts: string[] = [];
    if (isActive(run) && this.homecoming.link(run.id)?.at === 'waiting')
      parts.push(l10n.t('connection lost, trying again'));
    if (run.state === 'running') parts.push(`${run.step}/${run.steps}`);
    else if (run.state === 'finished') parts.push(l10n.t('{0} steps', run.step));
    else parts.push(stateWord(run), ...(run.step > 0 ? [`${run.step}/${run.steps}`] : []));
    if (run.loss !== undefined) parts.push(l10n.t('loss {0}', run.loss.toFixed(3)));
    if (this.view.groupBy === 'host') parts.push(run.subject);
    else if (run.host !== thisMachine) parts.push(run.host);
    return parts.join(' · ');
  }

  /** The tooltip is made when it is wanted: it looks for the newest sample. */
  async resolveTreeItem(item: TreeItem, node: Node): Promise<TreeItem> {
    const run = node.kind === 'run' ? this.store.get(node.id) : undefined;
    if (!run) return item;
    const text = new MarkdownString(undefined, true);
    const spec = readSpec(run.directory);
    const sample = await latestSample(run.directory);
    if (sample) text.appendMarkdown(`![](${Uri.file(sample).toString()}|width=192)\n\n`);
    const rows: [string, string][] = [
      [l10n.t('State'), run.error ? `${stateWord(run)}: ${told(run.error)}` : stateWord(run)],
      [l10n.t('Steps'), `${run.step} / ${run.steps}`],
      ...(run.loss === undefined ? [] : [[l10n.t('Loss'), run.loss.toFixed(4)] as [string, string]]),
      [l10n.t('Method'), settingsInShort(spec, await ranksOf(run, spec))],
      [l10n.t('Base'), run.base],
      [l10n.t('Host'), this.hostLabel(run.host)],
      [l10n.t('Made'), new Date(run.createdAt).toLocaleString()],
    ];
    for (const [name, value] of rows) {
      text.appendMarkdown(`**${name}** `);
      text.appendText(value);
      text.appendMarkdown('  \n');
    }
    item.tooltip = text;
    return item;
  }

  dispose(): void {
    for (const owned of this.#owned) owned.dispose();
    this.#refresh.dispose();
    this.#changed.dispose();
  }
}

/** The ranks that its layers have, or are to have where no adapter of it is here yet. */
async function ranksOf({ directory }: Run, { method }: TrainSpec): Promise<string | undefined> {
  const { rank } = method;
  const header = await adapterOf(directory).catch(() => undefined);
  return (header && rankWords(header)) ?? (rank === undefined ? undefined : String(rank));
}

/** What tells a run from others of its subject, under the names that the subject file has for it. */
function settingsInShort({ method, training }: TrainSpec, ranks: string | undefined): string {
  const { learningRate, batch, accumulation, resolution, seed, schedule } = training;
  return [
    methodName(method.name),
    ...(ranks === undefined ? [] : [l10n.t('rank {0}', ranks)]),
    l10n.t('learning rate {0}', `${learningRate}${schedule === 'constant' ? '' : ` (${schedule})`}`),
    l10n.t('batch {0}', batch * accumulation),
    ...(resolution === null ? [] : [l10n.t('{0} px', resolution)]),
    l10n.t('seed {0}', seed),
  ].join(', ');
}

/** Today the time, else the date; short, since progress and loss stand behind it. */
function when(createdAt: string): string {
  const date = new Date(createdAt);
  const today = date.toDateString() === new Date().toDateString();
  return today
    ? date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
    : date.toLocaleDateString(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
}

export function stateWord({ state }: Pick<Run, 'state'>): string {
  switch (state) {
    case 'queued':
      return l10n.t('waiting');
    case 'running':
      return l10n.t('running');
    case 'finished':
      return l10n.t('finished');
    case 'stopped':
      return l10n.t('stopped');
    case 'failed':
      return l10n.t('failed');
    case 'interrupted':
      return l10n.t('interrupted, can be continued');
  }
}

function icon(run: Run, lost: boolean): ThemeIcon {
  if (lost && isActive(run)) return new ThemeIcon('debug-disconnect', new ThemeColor('charts.yellow'));
  switch (run.state) {
    case 'queued':
      return new ThemeIcon('watch');
    case 'running':
      return new ThemeIcon('loading~spin');
    case 'finished':
      return new ThemeIcon('pass', new ThemeColor('charts.green'));
    case 'stopped':
      return new ThemeIcon('debug-pause');
    case 'failed':
      return new ThemeIcon('error', new ThemeColor('charts.red'));
    case 'interrupted':
      return new ThemeIcon('debug-disconnect', new ThemeColor('charts.yellow'));
  }
}
