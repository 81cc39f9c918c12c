import {
  CompletionItem,
  CompletionItemKind,
  type CompletionItemProvider,
  Hover,
  type HoverProvider,
  InlayHint,
  type InlayHintsProvider,
  l10n,
  MarkdownString,
  type Position,
  SnippetString,
  type TextDocument,
} from 'vscode';
import { adapterTags } from '../../remote-agent/src/diffusion/prompt.ts';
import { rangeOf } from '../platform/diagnostics.ts';
import { methodName } from '../platform/format.ts';
import { describeAdapter, describePrompt, longCount, shortCount } from './describe.ts';
import { readTag } from './problems.ts';
import type { PromptServices, SpotsOf } from './services.ts';
import { spotAt } from './spot.ts';
import { countTokens } from './tokens.ts';

const t = l10n.t;

/** Who answers for the prompts of documents. */
export const promptFeatures = (spotsOf: SpotsOf, services: PromptServices) => ({
  hints: tokenHints(spotsOf, services),
  hover: promptHover(spotsOf, services),
  completion: adapterCompletion(spotsOf, services),
});

const tokenHints = (spotsOf: SpotsOf, { shelf }: PromptServices): InlayHintsProvider => ({
  async provideInlayHints(document, range) {
    const { base, spots } = await spotsOf(document);
    const facts = await shelf.facts(base);
    if (!facts) return [];
    const first = document.offsetAt(range.start);
    const last = document.offsetAt(range.end);
    return spots
      .filter(({ prompt, at, after }) => prompt.trim() !== '' && after >= first && at[0]! <= last)
      .flatMap(({ prompt, at, after }) => {
        const count = countTokens(prompt, facts);
        // What the editor wraps within a hint lies over the CodeLens of the next line.
        const words = shortCount(count, t).replaceAll(' ', '\u00a0');
        const whole = new InlayHint(document.positionAt(after), words);
        whole.paddingLeft = true;
        whole.tooltip = longCount(count, base, t);
        const ends = count.ends.map((index, i) => {
          const end = new InlayHint(document.positionAt(at[index]!), `\u2502${(i + 1) * count.room}\u2502`);
          end.tooltip = t('Chunk {0} is full here.', i + 1);
          return end;
        });
        return [...ends, whole];
      });
  },
});

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
