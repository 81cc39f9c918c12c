import { EventEmitter, l10n, ThemeIcon, type TreeDataProvider, TreeItem, type Uri, workspace } from 'vscode';
import { Disposables } from '../platform/disposables.ts';
import { gathered, type Owned } from '../platform/signal.ts';
import { isActive } from '../runs/run.ts';
import type { RunStore } from '../runs/store.ts';
import { fileSubject, subjectOf } from '../runs/subject.ts';
import { findSubjects } from './workspace-files.ts';

/** Subject files of the workspace. */
export class SubjectTree implements TreeDataProvider<Uri>, Owned {
  readonly #changed = new EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #owned = new Disposables();
  /** Looked for again when files change; runs change all the time. */
  #found: Promise<Uri[]> | undefined;
  readonly #names = new Map<string, string>();

  constructor(readonly runs: RunStore) {
    const refresh = this.#owned.add(gathered(300, () => this.#changed.fire(undefined)));
    const lookAgain = () => {
      this.#found = undefined;
      refresh();
    };
    const watcher = this.#owned.add(workspace.createFileSystemWatcher('**/*.para.json'));
    for (const event of [watcher.onDidCreate, watcher.onDidChange, watcher.onDidDelete])
      this.#owned.add(event(lookAgain));
    this.#owned.add(workspace.onDidChangeWorkspaceFolders(lookAgain));
    this.#owned.add(runs.onChange(refresh));
    this.#owned.add(this.#changed);
  }

  async #find(): Promise<Uri[]> {
    const found = await findSubjects();
    const names = await Promise.all(found.map(subjectOf));
    this.#names.clear();
    for (const [i, uri] of found.entries()) this.#names.set(uri.toString(), names[i]!);
    return found.sort((a, b) => a.path.localeCompare(b.path));
  }

  getChildren(uri?: Uri): Promise<Uri[]> | [] {
    if (uri) return [];
    this.#found ??= this.#find();
    return this.#found;
  }

  getTreeItem(uri: Uri): TreeItem {
    const name = this.#names.get(uri.toString()) ?? fileSubject(uri);
    const item = new TreeItem(name);
    item.id = uri.toString();
    item.resourceUri = uri;
    item.iconPath = new ThemeIcon('symbol-color');
    item.contextValue = 'subject';
    const runs = this.runs.all().filter(({ subject }) => subject === name);
    const active = runs.filter(isActive).length;
    const count = runs.length === 1 ? l10n.t('1 run') : l10n.t('{0} runs', runs.length);
    const words = active ? l10n.t('{0}, {1} active', count, active) : runs.length > 0 ? count : '';
    const namesakes = [...this.#names.values()].filter((one) => one === name).length;
    item.description = [namesakes > 1 ? placeOf(uri) : '', words].filter(Boolean).join(' · ');
    item.command = { command: 'vscode.open', title: l10n.t('Open'), arguments: [uri] };
    return item;
  }

  dispose(): void {
    this.#owned.dispose();
  }
}

/** The folder of a file, as the workspace calls it: tells subjects of one name apart. */
const placeOf = (uri: Uri): string => {
  const path = workspace.asRelativePath(uri);
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : './';
};
