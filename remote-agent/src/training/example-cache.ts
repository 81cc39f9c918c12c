import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeSafetensors, encodeSafetensors } from '../adapters/safetensors.ts';
import { writeFileAtomic } from '../common/files.ts';
import type { Cut, Size } from '../dataset/crop.ts';
import type { TextStates } from '../diffusion/text-encoder.ts';

/**
 * What a run worked out about its pictures and captions, by content, in files that may be deleted at any time: a file
 * that is missing or damaged is made again.
 */
export class ExampleCache {
  readonly #directory: string;
  readonly #baseHash: string;
  readonly #background: string;

  constructor(directory: string, baseHash: string, background: string) {
    this.#directory = directory;
    this.#baseHash = baseHash;
    this.#background = background.toLowerCase();
  }

  #path(kind: string, ...parts: readonly (string | number | boolean)[]): string {
    const key = createHash('sha256')
      .update([kind, ...parts].join())
      .digest('hex');
    return join(this.#directory, `${key}.${kind}`);
  }

  /** Size of the picture after EXIF rotation. */
  size(hash: string): Size | undefined {
    const path = this.#path('size', hash);
    if (!existsSync(path)) return undefined;
    const [width = 0, height = 0] = readFileSync(path, 'utf8').split('x').map(Number);
    return width > 0 && height > 0 ? { width, height } : undefined;
  }

  keepSize(hash: string, { width, height }: Size): void {
    const path = this.#path('size', hash);
    if (!existsSync(path)) writeFileAtomic(path, `${width}x${height}`);
  }

  /** The latent of one cut, f32[length]. */
  async latent(
    hash: string,
    { scaled, left, top, size, mirrored }: Cut,
    length: number,
    make: () => Promise<Float32Array>,
  ): Promise<Float32Array> {
    const places = [scaled.width, scaled.height, left, top, size.width, size.height, mirrored];
    const path = this.#path('latent', hash, this.#baseHash, this.#background, ...places);
    if (existsSync(path)) {
      const bytes = readFileSync(path);
      if (bytes.length === 4 * length)
        return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    }
    const values = await make();
    writeFileAtomic(path, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return values;
  }

  /** The states of captions, which depend on each other by the length of the longest. */
  async texts(captions: readonly string[], make: () => Promise<TextStates>): Promise<TextStates> {
    const path = this.#path('texts', this.#baseHash, JSON.stringify(captions));
    const known = existsSync(path) ? decodedTexts(readFileSync(path)) : undefined;
    if (known) return known;
    const states = await make();
    const { count, tokens, width, pooledWidth, hidden, pooled } = states;
    const tensors = new Map([
      ['hidden', { dims: [count, tokens, width], data: hidden }],
      ['pooled', { dims: [count, pooledWidth], data: pooled }],
    ]);
    writeFileAtomic(path, encodeSafetensors(tensors));
    return states;
  }

  async thumbnail(hash: string, make: () => Promise<string>): Promise<string> {
    const path = this.#path('thumbnail', hash, this.#background);
    if (existsSync(path)) return readFileSync(path, 'utf8');
    const made = await make();
    writeFileAtomic(path, made);
    return made;
  }
}

function decodedTexts(bytes: Uint8Array): TextStates | undefined {
  try {
    const { tensors } = decodeSafetensors(bytes);
    const hidden = tensors.get('hidden')!;
    const pooled = tensors.get('pooled')!;
    const [count, tokens, width] = hidden.dims as [number, number, number];
    return { count, tokens, width, pooledWidth: pooled.dims[1]!, hidden: hidden.data, pooled: pooled.data };
  } catch {
    // Damaged: made again.
    return undefined;
  }
}
