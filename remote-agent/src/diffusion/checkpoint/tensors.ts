import { realpathSync } from 'node:fs';
import {
  readHeaderSync,
  type SafetensorsHeader,
  type StoredTensor,
} from '../../adapters/safetensors-header.ts';
import { ParaError } from '../../common/errors.ts';

/** A tensor and the file that it lies in. */
export interface PlacedTensor extends StoredTensor {
  /** Absolute path of a file that is no link. */
  readonly file: string;
}

/** The tensors of one or several files, by name. */
export type Tensors = ReadonlyMap<string, PlacedTensor>;

/** What the headers of files say that belong together, as those of one model in parts. */
export interface WeightsHeader {
  readonly tensors: Tensors;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the headers of files of weights; their numbers stay where they are.
 * @throws ParaError `safetensors` for a file that is none, is cut off or cannot be read
 */
export function readWeights(paths: readonly string[]): WeightsHeader {
  const headers = paths.map(wholeHeader);
  return {
    tensors: new Map(
      headers.flatMap(({ path: file, tensors }) =>
        [...tensors].map(([name, tensor]) => [name, { ...tensor, file }] as const),
      ),
    ),
    metadata: Object.assign({}, ...headers.map(({ metadata }) => metadata)),
  };
}

function wholeHeader(path: string): SafetensorsHeader {
  let header: SafetensorsHeader;
  try {
    // The runtime refuses links, as download caches hold them.
    header = readHeaderSync(realpathSync(path));
  } catch (cause) {
    const why = cause instanceof Error ? ` (${cause.message})` : '';
    throw new ParaError('safetensors', `This is not a safetensors file that can be read${why}`, {
      where: path,
      hint: 'weights of other formats (.ckpt, .pt, .bin) can run code when loaded and are not read; save them as .safetensors',
      cause,
    });
  }
  for (const { name, offset, length } of header.tensors.values())
    if (offset + length > header.bytes)
      throw new ParaError('safetensors', `The file ends before its tensor ${name} does`, {
        where: path,
        hint: 'it is cut off; copy or download it again',
      });
  return header;
}
