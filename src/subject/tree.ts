import { basename } from 'node:path';
import { EventEmitter, l10n, ThemeIcon, type TreeDataProvider, TreeItem, type Uri, workspace } from 'vscode';
import { Disposables } from '../platform/disposables.ts';
import { gathered, type Owned } from '../platform/signal.ts';
import { isActive } from '../runs/run.ts';
import type { RunStore } from '../runs/store.ts';
import { findSubjects } from './train.ts';

/** Subject files of the workspace. */
export class SubjectTree implements TreeDataProvider<Uri>, Owned {
  readonly #changed = new EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #owned = new Disposables();

  constructor(readonly runs: RunStore) {
    const refresh = gathered(300, () => this.#changed.fire(undefined));
    const watcher = this.#owned.add(workspace.createFileSystemWatcher('**/*.para.json'));
    this.#owned.add(watcher.onDidCreate(refresh));
    this.#owned.add(watcher.onDidDelete(refresh));
    this.#owned.add(workspace.onDidChangeWorkspaceFolders(refresh));
    this.#owned.add(runs.onChange(refresh));
    this.#owned.add(refresh);
    this.#owned.add(this.#changed);
  }

  async getChildren(uri?: Uri): Promise<Uri[]> {
    if (uri) return [];
    const found = await findSubjects();
    return found.sort((a, b) => a.path.localeCompare(b.path));
  }

  getTreeItem(uri: Uri): TreeItem {
    const name = basename(uri.path).replace(/\.para\.json$/, '');
    const item = new TreeItem(name);
    item.id = uri.toString();
    item.resourceUri = uri;
    item.iconPath = new ThemeIcon('symbol-color');
    item.contextValue = 'subject';
    const runs = this.runs.all().filter(({ subject }) => subject === name);
    const active = runs.filter(isActive).length;
    const count = runs.length === 1 ? l10n.t('1 run') : l10n.t('{0} runs', runs.length);
    item.description = active ? l10n.t('{0}, {1} active', count, active) : runs.length > 0 ? count : '';
    item.command = { command: 'vscode.open', title: l10n.t('Open'), arguments: [uri] };
    return item;
  }

  dispose(): void {
    this.#owned.dispose();
  }
}
