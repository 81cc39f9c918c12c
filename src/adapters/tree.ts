import {
  DataTransferItem,
  EventEmitter,
  l10n,
  MarkdownString,
  ThemeIcon,
  type TreeDataProvider,
  type TreeDragAndDropController,
  TreeItem,
} from 'vscode';
import { adapterTag } from '../../remote-agent/src/diffusion/prompt.ts';
import { bytes, methodName } from '../platform/format.ts';
import { gathered, type Owned } from '../platform/signal.ts';
import type { AdapterLibrary, LibraryAdapter } from './library.ts';

/** What is trained or imported; dragged into a prompt, an adapter names itself there. */
export class AdapterTree
  implements TreeDataProvider<LibraryAdapter>, TreeDragAndDropController<LibraryAdapter>, Owned
{
  readonly #changed = new EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly dropMimeTypes: string[] = [];
  readonly dragMimeTypes = ['text/plain'];
  readonly #refresh = gathered(500, () => void this.#look());
  readonly #owned: Owned;
  #shown: LibraryAdapter[] = [];

  constructor(readonly library: AdapterLibrary) {
    this.#owned = library.onChange(this.#refresh);
  }

  async getChildren(adapter?: LibraryAdapter): Promise<LibraryAdapter[]> {
    if (adapter) return [];
    this.#shown = await this.library.all();
    return this.#shown;
  }

  /** A run that goes on is heard of all the time; drawn anew for nothing, the tree would lose what is open over it. */
  async #look(): Promise<void> {
    const now = await this.library.all();
    const same = now.length === this.#shown.length && now.every((one, i) => one === this.#shown[i]);
    if (!same) this.#changed.fire(undefined);
  }

  getTreeItem(adapter: LibraryAdapter): TreeItem {
    const { name, file, subject, run } = adapter;
    const item = new TreeItem(subject && run ? subject : name);
    item.id = file;
    item.iconPath = new ThemeIcon(run ? 'layers' : 'file-symlink-file');
    item.contextValue = run ? 'adapter.run' : 'adapter.file';
    item.description = inShort(adapter);
    item.command = run
      ? { command: 'para.showRun', title: l10n.t('Show Run'), arguments: [run.id] }
      : { command: 'para.compareAdapters', title: l10n.t('Compare'), arguments: [adapter] };
    return item;
  }

  resolveTreeItem(item: TreeItem, adapter: LibraryAdapter): TreeItem {
    const { name, file, info } = adapter;
    const text = new MarkdownString(undefined, true);
    const { thumbnail } = info;
    if (thumbnail && /^data:image\/(png|jpeg|webp);base64,[A-Za-z0-9+/=]+$/.test(thumbnail))
      text.appendMarkdown(`![](${thumbnail}|width=128)\n\n`);
    text.appendCodeblock(adapterTag(name), 'text');
    if (info.triggerWords) {
      text.appendMarkdown(`**${l10n.t('Trigger')}** `);
      text.appendText(info.triggerWords.join(', '));
      text.appendMarkdown('  \n');
    }
    // The sidebar is mostly too narrow for all of it.
    text.appendText(inShort(adapter));
    text.appendMarkdown('  \n');
    text.appendText(file);
    item.tooltip = text;
    return item;
  }

  handleDrag(
    adapters: readonly LibraryAdapter[],
    data: { set(mimeType: string, item: DataTransferItem): void },
  ): void {
    const tags = adapters.map(({ name }) => adapterTag(name)).join(' ');
    data.set('text/plain', new DataTransferItem(tags));
  }

  dispose(): void {
    this.#owned.dispose();
    this.#refresh.dispose();
    this.#changed.dispose();
  }
}

/** What an adapter is, in a line. */
const inShort = ({ method, base, steps, bytes: size }: LibraryAdapter): string =>
  [methodName(method), base, steps === undefined ? undefined : l10n.t('{0} steps', steps), bytes(size)]
    .filter(Boolean)
    .join(' · ');
