import type { Translate } from '../../remote-agent/src/common/translate.ts';
import { adapterTags, placedTexts } from '../../remote-agent/src/diffusion/prompt.ts';
import { methodName } from '../platform/format.ts';
import type { BaseFacts } from './base-facts.ts';
import type { KnownAdapter } from './library.ts';
import { readTag } from './problems.ts';
import { countTokens, type TokenCount } from './tokens.ts';

/** The number of tokens in a few signs: "12 tokens", "91 tokens, 2 chunks". */
export function shortCount({ counts, chunks }: TokenCount, t: Translate): string {
  const number = [...new Set(counts)].join(' / ');
  if (chunks > 1) return t('{0} tokens, {1} chunks', number, chunks);
  return number === '1' ? t('1 token') : t('{0} tokens', number);
}

/** What the number of tokens means, in a sentence or two. */
export function longCount({ counts, room, chunks }: TokenCount, base: string, t: Translate): string {
  const seen = [...new Set(counts)].join(' / ');
  if (chunks === 1)
    return t('The text encoders of {0} see {1} tokens; {2} fit into a chunk.', base, seen, room);
  const head = t(
    'The text encoders of {0} see {1} tokens, in {2} chunks of at most {3}.',
    base,
    seen,
    chunks,
    room,
  );
  const words = t(
    'Words in different chunks hardly know of each other: what matters most belongs into the first.',
  );
  return `${head} ${words}`;
}

/** Text for Markdown, where none of its signs means anything. */
export const plain = (text: string): string => text.replace(/[\\`*_{}[\]()#+\-.!|<>~&]/g, '\\$&');

const code = (text: string) => `\`${text.replaceAll('`', "'").replaceAll('|', '\u00a6')}\``;
const number = (value: number) => String(+value.toFixed(3));

/** A prompt's weights, adapters and tokens in Markdown. */
export function describePrompt(
  prompt: string,
  base: string,
  facts: BaseFacts | undefined,
  known: readonly KnownAdapter[],
  t: Translate,
): string {
  const lines: string[] = [];
  const texts = placedTexts(prompt).filter(({ text }) => text.trim() !== '');
  if (texts.length > 1 || texts.some(({ weight }) => weight !== 1)) {
    lines.push(`| ${t('Text')} | ${t('Weight')} |`, '|---|--:|');
    for (const { text, weight } of texts) lines.push(`| ${code(text.trim())} | ${number(weight)} |`);
    lines.push('');
  }
  for (const { text } of adapterTags(prompt)) {
    const adapter = readTag(text);
    if (adapter) lines.push(describeAdapter(adapter.name, adapter.strength, known, t), '');
  }
  if (facts) lines.push(longCount(countTokens(prompt, facts), plain(base), t));
  return lines.join('\n');
}

/** One adapter of a prompt in Markdown. */
export function describeAdapter(
  name: string,
  strength: number,
  known: readonly KnownAdapter[],
  t: Translate,
): string {
  const found = known.find((adapter) => adapter.name === name);
  const head = `**${plain(name)}**`;
  if (!found) return t('{0}: no such adapter in the library', head);
  const method = methodName(found.method);
  return found.base
    ? t('{0}: {1} adapter for {2}, strength {3}', head, method, plain(found.base), strength)
    : t('{0}: {1} adapter, strength {2}', head, method, strength);
}
