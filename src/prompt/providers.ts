import {
  CompletionItem,
  CompletionItemKind,
  type CompletionItemProvider,
  type DocumentSelector,
  EventEmitter,
  Hover,
  type HoverProvider,
  InlayHint,
  type InlayHintsProvider,
  l10n,
  languages,
  MarkdownString,
  type Position,
  type Range,
  SnippetString,
  type TextDocument,
} from 'vscode';
import { adapterTags } from '../../remote-agent/src/diffusion/prompt.ts';
import { rangeOf } from '../platform/diagnostics.ts';
import { Disposables } from '../platform/disposables.ts';
import { methodName } from '../platform/format.ts';
import type { BaseShelf } from './base-facts.ts';
import { describeAdapter, describePrompt, longCount, shortCount } from './describe.ts';
import type { Library } from './library.ts';
import { readTag } from './problems.ts';
import { type Spots, spotAt } from './spot.ts';
import { countTokens } from './tokens.ts';

/** What the language of prompts needs to know. */
export interface PromptServices {
  readonly library: Library;
  readonly shelf: BaseShelf;
}

/** Finds the prompts of a document. */
export type SpotsOf = (document: TextDocument) => Promise<Spots>;

const t = l10n.t;

/** Token counts, weights and adapters for the prompts of documents of a language. */
export function registerPromptFeatures(
  selector: DocumentSelector,
  spotsOf: SpotsOf,
  services: PromptServices,
): Disposables {
  const owned = new Disposables();
  const hints = owned.add(new TokenHints(spotsOf, services));
  owned.add(languages.registerInlayHintsProvider(selector, hints));
  owned.add(languages.registerHoverProvider(selector, promptHover(spotsOf, services)));
  owned.add(
    languages.registerCompletionItemProvider(selector, adapterCompletion(spotsOf, services), '<', ':'),
  );
  return owned;
}

class TokenHints implements InlayHintsProvider {
  readonly #changed = new EventEmitter<void>();
  readonly onDidChangeInlayHints = this.#changed.event;
  readonly #subscription;

  constructor(
    readonly spotsOf: SpotsOf,
    readonly services: PromptServices,
  ) {
    this.#subscription = services.library.onDidChange(() => this.#changed.fire());
  }

  async provideInlayHints(document: TextDocument, range: Range): Promise<InlayHint[]> {
    const { base, spots } = await this.spotsOf(document);
    const facts = await this.services.shelf.facts(base);
    if (!facts) return [];
    const first = document.offsetAt(range.start);
    const last = document.offsetAt(range.end);
    return spots
      .filter(({ at, after }) => after >= first && at[0]! <= last)
      .flatMap(({ prompt, at, after }) => {
        const count = countTokens(prompt, facts);
        const whole = new InlayHint(document.positionAt(after), shortCount(count, t));
        whole.paddingLeft = true;
        whole.tooltip = longCount(count, base, t);
        const ends = count.ends.map((index, i) => {
          const end = new InlayHint(document.positionAt(at[index]!), `\u2502${(i + 1) * count.room}\u2502`);
          end.tooltip = t('Chunk {0} is full here.', i + 1);
          return end;
        });
        return [...ends, whole];
      });
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#changed.dispose();
  }
}

const promptHover = (spotsOf: SpotsOf, { library, shelf }: PromptServices): HoverProvider => ({
  async provideHover(document, position) {
    const { base, spots } = await spotsOf(document);
    const found = spotAt(spots, document.offsetAt(position));
    if (!found) return undefined;
    const { spot, index } = found;
    const known = await library.adapters();
    const tag = adapterTags(spot.prompt).find(({ start, end }) => start <= index && index < end);
    const adapter = tag && readTag(tag.text);
    const text = adapter
      ? describeAdapter(adapter.name, adapter.strength, known, t)
      : describePrompt(spot.prompt, base, await shelf.facts(base), known, t);
    const place = tag ?? { start: 0, end: spot.prompt.length };
    const range = rangeOf({ start: spot.at[place.start]!, end: spot.at[place.end]! }, document);
    return text === '' ? undefined : new Hover(new MarkdownString(text), range);
  },
});

const adapterCompletion = (spotsOf: SpotsOf, { library }: PromptServices): CompletionItemProvider => ({
  async provideCompletionItems(document: TextDocument, position: Position) {
    const { base, spots } = await spotsOf(document);
    const found = spotAt(spots, document.offsetAt(position));
    if (!found) return [];
    const { spot, index } = found;
    const begun = /<[^<>]*$/.exec(spot.prompt.slice(0, index));
    if (!begun) return [];
    const rest = /^[^<>\s]*>/.exec(spot.prompt.slice(index));
    const end = index + (rest?.[0].length ?? 0);
    const range = rangeOf({ start: spot.at[begun.index]!, end: spot.at[end]! }, document);
    return (await library.adapters()).map((adapter) => {
      const { name, method } = adapter;
      const item = new CompletionItem({ label: name, description: adapter.base }, CompletionItemKind.Value);
      const strength = method === 'para' ? '1' : '0.8';
      item.insertText = new SnippetString()
        .appendText(`<lora:${name}:`)
        .appendPlaceholder(strength)
        .appendText('>');
      item.filterText = `<lora:${name}`;
      item.sortText = `${adapter.base === base ? 0 : 1}${name}`;
      item.detail = t('{0} adapter', methodName(method));
      item.range = range;
      return item;
    });
  },
});
