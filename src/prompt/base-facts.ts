import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Config } from '../../remote-agent/src/diffusion/base-config.ts';
import { type PictureSizes, pictureSizes } from '../../remote-agent/src/diffusion/base-sizes.ts';
import type { Library } from './library.ts';

/**
 * Vocabularies of this size hold rare words too: the last twentieth of them, as tokens are numbered by how common they
 * are. In smaller ones short tokens are parts of words as often as words.
 */
const largeVocabulary = 10_000;

/** A text encoder's tokenizer, as much as counting needs. */
export interface TokenCounter {
  encode(text: string): number[];
  /** Whether a word has a token of its own because it is common. */
  knows(word: string): boolean;
}

/** What a base's small files say. */
export interface BaseFacts {
  readonly name: string;
  readonly sizes: PictureSizes;
  /** Tokens of a chunk, start and end token included. */
  readonly tokens: number;
  /** One for each text encoder. */
  readonly counters: readonly TokenCounter[];
  /** Fewest output dimensions among the attention layers. */
  readonly narrowest: number | undefined;
}

/** Reads the facts of a base folder. @throws ParaError `base`, `tokenizer` for files that are missing or broken */
export async function readBaseFacts(name: string, directory: string): Promise<BaseFacts> {
  const { ClipTokenizer } = await import('../../remote-agent/src/diffusion/tokenizer.ts');
  const unet = new Config(join(directory, 'unet'), 'config.json');
  const decoder = join(directory, 'vae_decoder');
  const vae = new Config(
    existsSync(join(decoder, 'config.json')) ? decoder : join(directory, 'vae'),
    'config.json',
  );
  const encoder = new Config(join(directory, 'text_encoder'), 'config.json');
  const byContent = new Map<string, TokenCounter>();
  const counters: TokenCounter[] = [];
  for (const folder of ['tokenizer', 'tokenizer_2'].map((part) => join(directory, part))) {
    if (!existsSync(folder)) continue;
    const content = readFileSync(join(folder, 'vocab.json'), 'utf8');
    let counter = byContent.get(content);
    if (!counter) {
      const tokenizer = ClipTokenizer.open(folder);
      const vocabulary = new Map(Object.entries(JSON.parse(content) as Record<string, number>));
      counter = {
        encode: (text) => tokenizer.encode(text),
        knows: (word) => {
          const id = vocabulary.get(`${word.toLowerCase()}</w>`);
          if (id === undefined || !/[aeiouy]/i.test(word)) return false;
          return vocabulary.size < largeVocabulary ? word.length > 3 : id < vocabulary.size * 0.95;
        },
      };
      byContent.set(content, counter);
    }
    counters.push(counter);
  }
  return {
    name,
    sizes: pictureSizes(unet, vae),
    tokens: encoder.number('max_position_embeddings', 77),
    counters,
    narrowest: narrowestAttention(unet),
  };
}

function narrowestAttention(unet: Config): number | undefined {
  const widths = unet.numbers('block_out_channels') ?? [];
  const kinds = unet.raw('down_block_types');
  if (!Array.isArray(kinds)) return undefined;
  const attending = widths.filter((_, i) => String(kinds[i]).includes('Attn'));
  return attending.length > 0 ? Math.min(...attending) : undefined;
}

/** The facts of bases by name, each read once. */
export class BaseShelf {
  readonly #read = new Map<string, Promise<BaseFacts>>();

  constructor(readonly library: Library) {}

  /** `undefined` where the base is unknown, elsewhere or broken: then nothing is said that depends on it. */
  async facts(name: string): Promise<BaseFacts | undefined> {
    const directory = (await this.library.bases()).find((base) => base.name === name)?.directory;
    if (!directory) return undefined;
    let facts = this.#read.get(directory);
    if (!facts) {
      facts = readBaseFacts(name, directory);
      this.#read.set(directory, facts);
    }
    try {
      return await facts;
    } catch {
      // Files may still be arriving; `PaRa: Run Diagnostics` and the check before training say what is wrong.
      this.#read.delete(directory);
      return undefined;
    }
  }
}
