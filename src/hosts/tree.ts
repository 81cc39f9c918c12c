import {
  EventEmitter,
  l10n,
  ThemeColor,
  ThemeIcon,
  type TreeDataProvider,
  TreeItem,
  TreeItemCollapsibleState,
  Uri,
} from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import type { HostProfile } from '../../remote-agent/src/hosts/profiles.ts';
import type { JobInfo } from '../../remote-agent/src/protocol/contract.ts';
import { describe } from '../platform/failure.ts';
import { bytes } from '../platform/format.ts';
import { gathered, type Owned } from '../platform/signal.ts';
import type { Hosts } from './hosts.ts';
import { hostLabel } from './label.ts';
import { thisMachine } from './this-machine.ts';

type Node =
  | { readonly kind: 'host'; readonly name: string }
  /** Said of the list itself. */
  | { readonly kind: 'note'; readonly note: 'damaged' | 'noAgent' }
  | { readonly kind: 'fact'; readonly host: string; readonly item: Fact };

interface Fact {
  readonly icon: string;
  readonly label: string;
  readonly description?: string;
  readonly job?: string;
}

/** How often facts of connected hosts are asked for while the view is open, in ms. */
const refreshEvery = 5000;

/** Hosts with what is known of them. */
export class HostTree implements TreeDataProvider<Node>, Owned {
  readonly #changed = new EventEmitter<Node | undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #refresh = gathered(200, () => this.#changed.fire(undefined));
  readonly #owned: Owned[] = [];
  #visible = false;
  /** Why the list of hosts cannot be read. */
  #problem: unknown;

  /** @param whichMachine which one this machine is, where the window shows another; else empty */
  constructor(
    readonly hosts: Hosts,
    readonly whichMachine: string,
    /** Whether a job of this machine is the picture of one elsewhere. */
    readonly isElsewhere: (job: string) => boolean,
  ) {
    this.#owned.push(hosts.onChange(() => this.#refresh()));
    const timer = setInterval(() => this.#ask(), refreshEvery);
    timer.unref();
    this.#owned.push({ dispose: () => clearInterval(timer) });
  }

  /** Whoever looks wants to see what is true. */
  setVisible(visible: boolean): void {
    this.#visible = visible;
    this.#ask();
  }

  #ask(): void {
    if (!this.#visible) return;
    const before = this.#problem;
    // A lost connection is told by the session itself.
    for (const { name } of this.#list()) this.hosts.refresh(name).catch(() => {});
    if (describeOr(before) !== describeOr(this.#problem)) this.#refresh();
  }

  /** The hosts there are. A file of them that cannot be read takes none but those that it lists. */
  #list(): readonly HostProfile[] {
    try {
      this.#problem = undefined;
      return this.hosts.list();
    } catch (cause) {
      this.#problem = cause;
      const local = this.hosts.local();
      return local ? [local] : [];
    }
  }

  getChildren(node?: Node): Node[] {
    if (!node) {
      const nodes = this.#list().map(({ name }): Node => ({ kind: 'host', name }));
      if (!this.hosts.local()) nodes.unshift({ kind: 'note', note: 'noAgent' });
      if (this.#problem !== undefined) nodes.push({ kind: 'note', note: 'damaged' });
      return nodes;
    }
    if (node.kind !== 'host') return [];
    return this.#facts(node.name).map((item) => ({ kind: 'fact', host: node.name, item }));
  }

  #facts(name: string): Fact[] {
    const { at, problem, facts, notes = [] } = this.hosts.status(name);
    const rows: Fact[] = [];
    if (at === 'failed' && problem) rows.push({ icon: 'error', label: describe(problem) });
    for (const { name: gpu, memoryBytes, freeBytes, driver } of facts?.gpus ?? [])
      rows.push({
        icon: 'circuit-board',
        label: gpu,
        description: l10n.t('{0} free of {1}, driver {2}', bytes(freeBytes), bytes(memoryBytes), driver),
      });
    if (facts)
      rows.push(
        { icon: 'chip', label: facts.cpuModel, description: l10n.t('{0} cores', facts.cpus) },
        {
          icon: 'database',
          label: l10n.t('{0} of memory free of {1}', bytes(facts.freeMemoryBytes), bytes(facts.memoryBytes)),
          description: l10n.t('{0} of disk free', bytes(facts.diskFreeBytes)),
        },
      );
    for (const { id, subject, state, step, steps, queuePlace } of this.#queue(name))
      rows.push({
        icon: state === 'running' ? 'play' : 'watch',
        label: subject,
        description:
          state === 'running' ? `${step}/${steps}` : l10n.t('place {0} in the queue', queuePlace ?? 0),
        job: id,
      });
    for (const note of notes) rows.push({ icon: 'info', label: note });
    return rows;
  }

  /** Jobs that are really there: the folders of this machine also hold pictures of jobs elsewhere. */
  #queue(name: string): readonly JobInfo[] {
    const { queue = [] } = this.hosts.status(name);
    return name === thisMachine ? queue.filter(({ id }) => !this.isElsewhere(id)) : queue;
  }

  getTreeItem(node: Node): TreeItem {
    if (node.kind === 'host') {
      const profile = this.#list().find(({ name }) => name === node.name);
      return profile ? this.#hostItem(profile) : new TreeItem(node.name);
    }
    if (node.kind === 'note') return node.note === 'damaged' ? this.#damagedItem() : noAgentItem();
    const { icon, label, description, job } = node.item;
    const item = new TreeItem(label);
    item.iconPath = new ThemeIcon(icon);
    if (description) item.description = description;
    // The sidebar is mostly too narrow for both.
    item.tooltip = [label, description].filter(Boolean).join('\n');
    if (job) item.command = { command: 'para.showRun', title: l10n.t('Show Run'), arguments: [job] };
    return item;
  }

  #damagedItem(): TreeItem {
    const item = new TreeItem(l10n.t('The list of hosts cannot be read'));
    item.description = l10n.t('open the file to mend it');
    item.tooltip = describeOr(this.#problem);
    item.iconPath = new ThemeIcon('error', new ThemeColor('list.errorForeground'));
    const where = this.#problem instanceof ParaError ? this.#problem.where : undefined;
    if (where) item.command = { command: 'vscode.open', title: l10n.t('Open'), arguments: [Uri.file(where)] };
    return item;
  }

  #hostItem(profile: HostProfile): TreeItem {
    const { name, target } = profile;
    const isHere = name === thisMachine;
    const { at } = this.hosts.status(name);
    const jobs = this.#queue(name);
    const running = jobs.filter(({ state }) => state === 'running').length;
    const busy = [
      ...(running > 0 ? [l10n.t('{0} running', running)] : []),
      ...(jobs.length > running ? [l10n.t('{0} in the queue', jobs.length - running)] : []),
    ];
    const item = new TreeItem(
      hostLabel(name),
      at === 'idle' || at === 'connecting'
        ? TreeItemCollapsibleState.None
        : TreeItemCollapsibleState.Collapsed,
    );
    item.id = `host ${name} ${at}`;
    item.contextValue = `host.${isHere ? 'here' : 'remote'}.${at}`;
    item.iconPath = hostIcon(isHere, at);
    const words = {
      idle: isHere ? l10n.t('ready') : l10n.t('not connected'),
      connecting: l10n.t('connecting ...'),
      connected: busy.length > 0 ? busy.join(', ') : l10n.t('connected'),
      failed: l10n.t('connection failed'),
    };
    // A host of the SSH configuration is called what it is reached by.
    const place = isHere ? this.whichMachine : target === name ? undefined : target;
    item.description = [words[at], ...(place ? [place] : [])].join(' · ');
    const { problem } = this.hosts.status(name);
    item.tooltip = [item.label, item.description, at === 'failed' ? describeOr(problem) : '']
      .filter(Boolean)
      .join('\n');
    return item;
  }

  dispose(): void {
    for (const owned of this.#owned) owned.dispose();
    this.#refresh.dispose();
    this.#changed.dispose();
  }
}

const describeOr = (problem: unknown) => (problem === undefined ? '' : describe(problem));

/** A package for every platform brings no agent: it trains on hosts alone. */
function noAgentItem(): TreeItem {
  const item = new TreeItem(hostLabel(thisMachine));
  item.description = l10n.t('cannot train: this package of the extension has no agent for it');
  item.tooltip = l10n.t(
    'Add a host to train there, or install the package of the extension that is made for this platform.',
  );
  item.iconPath = new ThemeIcon('circle-slash');
  return item;
}

function hostIcon(isHere: boolean, at: string): ThemeIcon {
  const color = { connected: 'charts.green', failed: 'charts.red' }[at];
  return new ThemeIcon(
    isHere ? 'device-desktop' : at === 'connecting' ? 'loading~spin' : 'server-environment',
    color ? new ThemeColor(color) : undefined,
  );
}
