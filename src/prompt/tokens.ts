import { placedTexts } from '../../remote-agent/src/diffusion/prompt.ts';
import type { BaseFacts, TokenCounter } from './base-facts.ts';

/** How a base's text encoders see a prompt. */
export interface TokenCount {
  /** Tokens for each text encoder, without start and end tokens. */
  readonly counts: readonly number[];
  /** Tokens of the prompt that a chunk has room for. */
  readonly room: number;
  readonly chunks: number;
  /** Where in the prompt a chunk is full: offsets of what begins the next one. */
  readonly ends: readonly number[];
}

/** Counts a prompt's tokens; adapter tags and the signs of weights are no part of it. */
export function countTokens(prompt: string, { counters, tokens }: BaseFacts): TokenCount {
  const room = tokens - 2;
  const texts = placedTexts(prompt);
  const counts = counters.map((counter) =>
    texts.reduce((sum, { text }) => sum + counter.encode(text).length, 0),
  );
  const most = Math.max(0, ...counts);
  const widest = counters[counts.indexOf(most)];
  const ends = widest && most > room ? chunkEnds(texts, widest, room) : [];
  return { counts, room, chunks: Math.max(1, Math.ceil(most / room)), ends };
}

function chunkEnds(
  texts: ReturnType<typeof placedTexts>,
  counter: TokenCounter,
  room: number,
): readonly number[] {
  const ends: number[] = [];
  let before = 0;
  // Words never share a token, so that the tokens of a text are those of its words one after the other.
  for (const { text, at } of texts)
    for (const { index, 0: word } of text.matchAll(/\S+/g)) {
      const count = counter.encode(word).length;
      while ((ends.length + 1) * room < before + count) {
        const left = (ends.length + 1) * room - before;
        ends.push(at[index + lengthOfTokens(word, left, counter)]!);
      }
      before += count;
    }
  return ends;
}

/** How many signs of a word its first `wanted` tokens take, as well as its own beginnings tell. */
function lengthOfTokens(word: string, wanted: number, counter: TokenCounter): number {
  if (wanted === 0) return 0;
  for (let length = word.length - 1; length > 0; length--)
    if (counter.encode(word.slice(0, length)).length <= wanted) return length;
  return 0;
}
