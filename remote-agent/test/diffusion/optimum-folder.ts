import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { clipTokenizerFiles } from '../../src/diffusion/checkpoint/clip-vocabulary.ts';
import { checkpointGolden, type SameTensor, sameNumbers } from './random-checkpoint.ts';

/** A golden file of `tools/golden/optimum_layout.py`. */
interface OptimumGolden {
  /** By part: the graph in base64, and what lies in the file beside it one after another. */
  readonly parts: Readonly<
    Record<string, { readonly graph: string; readonly weights: readonly SameTensor[] }>
  >;
  readonly configs: Readonly<Record<string, unknown>>;
}

const golden = (architecture: string) =>
  JSON.parse(
    gunzipSync(
      readFileSync(join(import.meta.dirname, `../golden/checkpoints/${architecture}.optimum.json.gz`)),
    ).toString(),
  ) as OptimumGolden;

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** Writes the folder that optimum exports of the golden checkpoint. */
export function writeOptimumFolder(path: string, architecture: 'sd' | 'sdxl'): void {
  const { parts, configs } = golden(architecture);
  const file = checkpointGolden(architecture);
  for (const [name, config] of Object.entries(configs)) write(join(path, name), JSON.stringify(config));
  for (const [part, { graph, weights }] of Object.entries(parts)) {
    write(join(path, part, 'model.onnx'), Buffer.from(graph, 'base64'));
    const fd = openSync(join(path, part, 'model.onnx_data'), 'w');
    for (const weight of weights) writeSync(fd, new Uint8Array(sameNumbers(file, weight).buffer));
    closeSync(fd);
  }
  for (const [tokenizer, padding] of [
    ['tokenizer', '<|endoftext|>'],
    ...(architecture === 'sdxl' ? [['tokenizer_2', '!'] as const] : []),
  ] as const)
    for (const name of ['vocab.json', 'merges.txt'] as const)
      write(join(path, tokenizer, name), clipTokenizerFiles(padding)[name]!);
}
