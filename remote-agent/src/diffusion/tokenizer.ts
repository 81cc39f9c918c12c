import { Tokenizer } from '@huggingface/tokenizers';
import { ParaError } from '../common/errors.ts';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.ts';

/**
 * CLIP's byte-level BPE tokenizer, with the ids that transformers' CLIPTokenizer gives (without ftfy): added tokens
 * are cut out first, then control characters dropped, CJK characters set apart, NFC, lower case, split into
 * contractions, words, single digits and runs of other signs, and merged with `</w>` at each end.
 */
export class ClipTokenizer {
  readonly start: number;
  readonly end: number;
  readonly padding: number;
  readonly #added: ReadonlyMap<string, number>;
  readonly #split: RegExp;
  readonly #bpe: Tokenizer;

  constructor(files: TokenizerFiles) {
    this.#added = files.added;
    this.start = files.added.get(files.start)!;
    this.end = files.added.get(files.end)!;
    this.padding = files.added.get(files.padding)!;
    // Longest first, so that an added token that starts like another one wins.
    const texts = [...files.added.keys()].sort((a, b) => b.length - a.length);
    this.#split = new RegExp(`(${texts.map((t) => t.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})`);
    this.#bpe = new Tokenizer(tokenizerJson(files), {});
  }

  /** Reads a tokenizer folder; `vocabulary` is the number of tokens the encoder knows. */
  static open(directory: string, vocabulary?: number): ClipTokenizer {
    const files = readTokenizerFiles(directory);
    if (vocabulary !== undefined)
      for (const [token, id] of [...Object.entries(files.vocabulary), ...files.added])
        if (id >= vocabulary)
          throw new ParaError(
            'tokenizer',
            `The tokenizer gives ${JSON.stringify(token)} the number ${id}, but the text encoder knows ${vocabulary} tokens`,
            {
              where: directory,
              hint: 'tokenizer and text encoder come from different models; copy both again',
            },
          );
    return new ClipTokenizer(files);
  }

  /** Token ids of a text, without start and end tokens. */
  encode(text: string): number[] {
    return text.split(this.#split).flatMap((piece) => {
      const added = this.#added.get(piece);
      if (added !== undefined) return [added];
      // Lower case may have made CLIP's own marks out of capitals.
      return clean(piece)
        .split(/(<\|(?:start|end)oftext\|>)/)
        .flatMap((part) => {
          if (part.trim() === '') return [];
          const mark = this.#added.get(part);
          return mark !== undefined ? [mark] : this.#bpe.encode(part, { add_special_tokens: false }).ids;
        });
    });
  }
}

/** The description that the official folders lack, in the layout of `tokenizer.json`. */
function tokenizerJson(files: TokenizerFiles): object {
  return {
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          // The long s is an s where case is ignored.
          pattern: { Regex: "'[s\u017f]|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: null,
    model: {
      type: 'BPE',
      unk_token: files.unknown,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab: files.vocabulary,
      merges: files.merges,
    },
  };
}

const control = /^[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]$/u;
const space = /^[\p{Zs}\t\n\r]$/u;

/** CJK ideographs, which CLIP's cleaning sets apart as words of their own. */
const ideographs: readonly (readonly [number, number])[] = [
  [0x4e00, 0x9fff],
  [0x3400, 0x4dbf],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f],
  [0x2b820, 0x2ceaf],
  [0xf900, 0xfaff],
  [0x2f800, 0x2fa1f],
];

function clean(text: string): string {
  let out = '';
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (space.test(char)) out += ' ';
    else if (code === 0 || code === 0xfffd || control.test(char)) continue;
    else if (ideographs.some(([from, to]) => code >= from && code <= to)) out += ` ${char} `;
    else out += char;
  }
  return out
    .normalize('NFC')
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => word.toLowerCase())
    .join(' ');
}
