import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { readConfig } from './base-config.ts';

/** What the files of a CLIP tokenizer folder say. */
export interface TokenizerFiles {
  readonly vocabulary: Readonly<Record<string, number>>;
  readonly merges: readonly (readonly [string, string])[];
  readonly start: string;
  readonly end: string;
  readonly padding: string;
  readonly unknown: string;
  /** Texts that are one token each wherever they occur (the special tokens among them). */
  readonly added: ReadonlyMap<string, number>;
}

/** Merges beyond this line are not CLIP's (its vocabulary: 512 bytes, these merges, two special tokens). */
const mergeLimit = 49152 - 256 - 2;

/**
 * Reads `vocab.json`, `merges.txt` and, where there are any, `special_tokens_map.json` and `tokenizer_config.json`.
 * @throws ParaError `tokenizer` when one is missing or broken, or when they do not belong together
 */
export function readTokenizerFiles(directory: string): TokenizerFiles {
  const vocabulary = readVocabulary(directory);
  const merges = readMerges(directory, vocabulary);
  const special = (key: string, fallback: string) =>
    content(optional(directory, 'tokenizer_config.json')[key]) ??
    content(optional(directory, 'special_tokens_map.json')[key]) ??
    fallback;
  const end = special('eos_token', '<|endoftext|>');
  const files = {
    vocabulary,
    merges,
    start: special('bos_token', '<|startoftext|>'),
    end,
    padding: special('pad_token', end),
    unknown: special('unk_token', end),
  };
  const added = new Map<string, number>();
  const listed = optional(directory, 'tokenizer_config.json').added_tokens_decoder;
  if (listed && typeof listed === 'object')
    for (const [id, token] of Object.entries(listed)) {
      const text = content(token);
      if (text) added.set(text, Number(id));
    }
  for (const token of [files.start, files.end, files.padding, files.unknown]) {
    const id = added.get(token) ?? (Object.hasOwn(vocabulary, token) ? vocabulary[token] : undefined);
    if (id === undefined) throw mismatch(directory, `The special token ${token} is not in the vocabulary`);
    added.set(token, id);
  }
  return { ...files, added };
}

function mismatch(where: string, what: string, cause?: unknown): ParaError {
  return new ParaError('tokenizer', what, {
    where,
    hint: 'vocab.json and merges.txt must come from one tokenizer; copy both again',
    cause,
  });
}

function content(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  if (token && typeof token === 'object' && 'content' in token && typeof token.content === 'string')
    return token.content;
  return undefined;
}

function optional(directory: string, file: string): Readonly<Record<string, unknown>> {
  return existsSync(join(directory, file)) ? readConfig(directory, file) : {};
}

function read(directory: string, file: string): string {
  const path = join(directory, file);
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ParaError('tokenizer', `The tokenizer lacks the file ${file}`, {
      where: path,
      hint: 'copy the whole folder of the exported model, its tokenizers included',
      cause,
    });
  }
}

function readVocabulary(directory: string): Record<string, number> {
  const path = join(directory, 'vocab.json');
  let json: unknown;
  try {
    json = JSON.parse(read(directory, 'vocab.json'));
  } catch (cause) {
    if (cause instanceof ParaError) throw cause;
    throw mismatch(path, 'The vocabulary is not valid JSON', cause);
  }
  const entries = json && typeof json === 'object' && !Array.isArray(json) ? Object.entries(json) : [];
  if (entries.length === 0) throw mismatch(path, 'The vocabulary is empty or no JSON object');
  const taken = new Set<number>();
  for (const [token, id] of entries) {
    if (!Number.isInteger(id) || id < 0 || taken.has(id))
      throw mismatch(path, `The vocabulary gives the token ${JSON.stringify(token)} the number ${id}`);
    taken.add(id);
  }
  return json as Record<string, number>;
}

function readMerges(directory: string, vocabulary: Readonly<Record<string, number>>): [string, string][] {
  const path = join(directory, 'merges.txt');
  // The first line names the format's version.
  const lines = read(directory, 'merges.txt')
    .trim()
    .split('\n')
    .slice(1, mergeLimit + 1);
  return lines.map((line, i) => {
    const pair = line.trim().split(/\s+/);
    const [a, b] = pair;
    if (pair.length !== 2 || !a || !b)
      throw mismatch(path, `Line ${i + 2} of the merges is not a pair of tokens`);
    if (!Object.hasOwn(vocabulary, a + b))
      throw mismatch(path, `Line ${i + 2} of the merges makes ${a + b}, which is not in the vocabulary`);
    return [a, b];
  });
}
