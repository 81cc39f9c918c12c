import { readPacked } from './packed.ts';

/**
 * The files of CLIP's tokenizer, by name: checkpoints in one file do not hold them, and all of these architectures
 * use the same. Its merges are OpenAI CLIP's (MIT licence); the vocabulary follows from them.
 * @param padding token that fills short texts up
 * @throws ParaError `base` where the installation lacks them
 */
export function clipTokenizerFiles(padding: string): Record<string, string> {
  const merges = readPacked('clip-merges.txt').toString('utf8');
  const pairs = merges.trimEnd().split('\n').slice(1);
  const signs = byteSigns();
  const tokens = [
    ...signs,
    ...signs.map((sign) => `${sign}</w>`),
    ...pairs.map((pair) => pair.replace(' ', '')),
    ...['<|startoftext|>', '<|endoftext|>'],
  ];
  return {
    'merges.txt': merges,
    'vocab.json': JSON.stringify(Object.fromEntries(tokens.map((token, id) => [token, id]))),
    'tokenizer_config.json': JSON.stringify({
      ...{ tokenizer_class: 'CLIPTokenizer', model_max_length: 77, pad_token: padding },
      ...{ bos_token: '<|startoftext|>', eos_token: '<|endoftext|>', unk_token: '<|endoftext|>' },
    }),
  };
}

/** A visible sign for each byte: printable ones stand for themselves, the others for signs from 256 on. */
function byteSigns(): string[] {
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const printable = [...range(33, 126), ...range(161, 172), ...range(174, 255)];
  const others = range(0, 255).filter((byte) => !printable.includes(byte));
  return [
    ...printable.map((byte) => String.fromCharCode(byte)),
    ...others.map((_, i) => String.fromCharCode(256 + i)),
  ];
}
