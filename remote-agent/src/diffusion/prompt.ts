import { ParaError } from '../common/errors.ts';

/** A stretch of prompt text and how strongly it counts (1: as written). */
export interface WeightedText {
  readonly text: string;
  readonly weight: number;
}

/** An adapter named in a prompt: `<lora:name:0.8>`. */
export interface PromptAdapter {
  readonly name: string;
  readonly strength: number;
}

export interface ParsedPrompt {
  /** In reading order; neighbours differ in weight. Empty for an empty prompt. */
  readonly texts: readonly WeightedText[];
  readonly adapters: readonly PromptAdapter[];
}

/** What one round bracket multiplies a weight by, and one square bracket divides it by. */
const bracketFactor = 1.1;

/** A text with, for each of its UTF-16 units, where in the prompt that unit stands. */
export interface PlacedText extends WeightedText {
  readonly at: readonly number[];
}

/** An adapter's tag as it stands in a prompt, from `start` to before `end`. */
export interface AdapterTag {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Reads the prompt language of the field: `(word)` counts 1.1 times as much, `[word]` 1/1.1 times, `(word:1.3)` 1.3
 * times; brackets nest and multiply; `\(`, `\)`, `\[`, `\]` and `\\` are plain signs; `<lora:name:0.8>` names an adapter
 * (strength 1 when left out) and is no part of the text. A bracket left open counts to the end of the prompt.
 * @throws ParaError `prompt` for an adapter without a name or with a strength that is no number
 */
export function parsePrompt(prompt: string): ParsedPrompt {
  return {
    texts: placedTexts(prompt).map(({ text, weight }) => ({ text, weight })),
    adapters: adapterTags(prompt).map(({ text }) => parseAdapterTag(text)),
  };
}

/** The adapter tags of a prompt in reading order, whether they can be read or not. */
export const adapterTags = (prompt: string): AdapterTag[] =>
  [...prompt.matchAll(/<lora:[^<>]*>/g)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
    text: match[0],
  }));

/** An adapter as prompts name it. */
export const adapterTag = (name: string, strength = 1): string => `<lora:${name}:${strength}>`;

/** Reads `<lora:name:strength>`. @throws ParaError `prompt` for no name or a strength that is no number */
export function parseAdapterTag(tag: string): PromptAdapter {
  const [name = '', strength = '1', ...rest] = tag.slice('<lora:'.length, -1).split(':');
  const value = strength.trim() === '' ? Number.NaN : Number(strength);
  if (name.trim() === '' || rest.length > 0 || !Number.isFinite(value))
    throw new ParaError('prompt', `The prompt's ${tag} cannot be read`, {
      where: tag,
      hint: 'write <lora:name:strength>, for example <lora:teapot:0.8>',
    });
  return { name: name.trim(), strength: value };
}

/** The texts of a prompt without its adapter tags; see `parsePrompt`. */
export function placedTexts(prompt: string): PlacedText[] {
  let text = '';
  const at: number[] = [];
  let from = 0;
  for (const { start, end } of [...adapterTags(prompt), { start: prompt.length, end: prompt.length }]) {
    text += prompt.slice(from, start);
    for (let i = from; i < start; i++) at.push(i);
    from = end;
  }
  return readWeights(text, at);
}

const piece = /\\[()[\]\\]|\\|\(|\[|:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*\)|\)|\]|[^\\()[\]:]+|:/g;

function readWeights(prompt: string, at: readonly number[]): PlacedText[] {
  const texts: { text: string; weight: number; at: number[] }[] = [];
  const open: { round: number[]; square: number[] } = { round: [], square: [] };
  const multiply = (from: number, factor: number) => {
    for (const part of texts.slice(from)) part.weight *= factor;
  };
  for (const match of prompt.matchAll(piece)) {
    const [token, number] = match;
    if (token === '(') open.round.push(texts.length);
    else if (token === '[') open.square.push(texts.length);
    else if (number !== undefined && open.round.length > 0) multiply(open.round.pop()!, Number(number));
    else if (token === ')' && open.round.length > 0) multiply(open.round.pop()!, bracketFactor);
    else if (token === ']' && open.square.length > 0) multiply(open.square.pop()!, 1 / bracketFactor);
    else {
      const backslash = /^\\./.test(token) ? 1 : 0;
      const end = match.index + token.length;
      texts.push({ text: token.slice(backslash), weight: 1, at: at.slice(match.index + backslash, end) });
    }
  }
  for (const from of open.round) multiply(from, bracketFactor);
  for (const from of open.square) multiply(from, 1 / bracketFactor);
  const merged: typeof texts = [];
  for (const part of texts) {
    const last = merged.at(-1);
    if (last && last.weight === part.weight) {
      last.text += part.text;
      last.at.push(...part.at);
    } else merged.push(part);
  }
  return merged;
}

/** One run of a text encoder: token ids of its full length, and how strongly each counts. */
export interface Chunk {
  readonly ids: readonly number[];
  readonly weights: readonly number[];
}

interface ChunkTokenizer {
  readonly start: number;
  readonly end: number;
  readonly padding: number;
  encode(text: string): number[];
}

/**
 * Tokens of a prompt in chunks of the encoder's `length`: each is the start token, up to `length - 2` tokens, the end
 * token, and padding. At least one chunk; `atLeast` adds empty ones, so that prompts can share a batch.
 */
export function chunkPrompt(
  texts: readonly WeightedText[],
  tokenizer: ChunkTokenizer,
  length: number,
  atLeast = 1,
): Chunk[] {
  const tokens = texts.flatMap(({ text, weight }) => tokenizer.encode(text).map((id) => ({ id, weight })));
  const room = length - 2;
  const count = Math.max(1, atLeast, Math.ceil(tokens.length / room));
  return Array.from({ length: count }, (_, i) => {
    const part = tokens.slice(i * room, (i + 1) * room);
    const rest = room - part.length;
    return {
      ids: [
        tokenizer.start,
        ...part.map((t) => t.id),
        tokenizer.end,
        ...new Array<number>(rest).fill(tokenizer.padding),
      ],
      weights: [1, ...part.map((t) => t.weight), 1, ...new Array<number>(rest).fill(1)],
    };
  });
}
