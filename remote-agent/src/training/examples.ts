import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../common/files.ts';
import { coverTo, readPicture, toPixels } from '../dataset/pictures.ts';
import type { Base } from '../diffusion/base.ts';
import { TextEncoder } from '../diffusion/text-encoder.ts';
import { Vae } from '../diffusion/vae.ts';
import type { DeviceName } from '../runtime/device.ts';
import type { SpecPicture } from '../subject/train-spec.ts';

/** A picture as the U-Net sees it: scaled latents and the states of its caption. */
export interface Example {
  readonly latent: Float32Array;
  readonly hidden: Float32Array;
  readonly pooled: Float32Array;
  readonly timeIds: Float32Array;
}

export interface Examples {
  readonly latentHeight: number;
  readonly latentWidth: number;
  readonly tokens: number;
  readonly examples: readonly Example[];
  /** The states of the empty caption, for caption dropout. */
  readonly empty: { readonly hidden: Float32Array; readonly pooled: Float32Array };
}

/** SDXL's micro-conditioning (Podell et al. 2023, section 2.2): original size, crop corner, target size, in pixels. */
export function timeIdsOf(
  original: readonly [number, number],
  crop: readonly [number, number],
  target: readonly [number, number],
): Float32Array {
  return Float32Array.from([...original, ...crop, ...target]);
}

/** A square side that the base's U-Net can halve as often as it does. */
const fitted = (side: number, step: number) => Math.max(step, Math.round(side / step) * step);

/**
 * Decodes, crops and encodes pictures and captions. Latents are cached in `cache` under a hash of the picture, the
 * base and the size; both encoders are released before this returns.
 */
export async function loadExamples(options: {
  readonly base: Base;
  readonly pictures: readonly SpecPicture[];
  readonly resolution: number | null;
  readonly flip: boolean;
  readonly device: DeviceName;
  readonly cache: string;
}): Promise<Examples> {
  const { base, pictures, cache, device } = options;
  const width = fitted(options.resolution ?? base.width, base.sizeStep);
  const height = fitted(options.resolution ?? base.height, base.sizeStep);
  const latentHeight = height / base.vaeFactor;
  const latentWidth = width / base.vaeFactor;
  const vae = new Vae(base, { device });
  const encoder = await TextEncoder.open(base, { device });
  try {
    const captions = [...pictures.map((p) => p.caption), ''];
    const states = await encoder.encode(captions);
    const textOf = (i: number) => ({
      hidden: states.hidden.slice(i * states.tokens * states.width, (i + 1) * states.tokens * states.width),
      pooled: states.pooled.slice(i * states.pooledWidth, (i + 1) * states.pooledWidth),
    });
    const examples: Example[] = [];
    for (const [i, { file, sha256 }] of pictures.entries()) {
      for (const flipped of options.flip ? [false, true] : [false]) {
        const key = createHash('sha256')
          .update([sha256, base.hash, width, height, flipped].join())
          .digest('hex');
        const latent = await cached(join(cache, `${key}.latent`), async () => {
          const picture = await coverTo(await readPicture(file), width, height);
          const data = toPixels(picture, flipped);
          return (await vae.encode({ count: 1, channels: 3, height, width, data })).data;
        });
        const timeIds = timeIdsOf([height, width], [0, 0], [height, width]);
        examples.push({ latent, ...textOf(i), timeIds });
      }
    }
    return { latentHeight, latentWidth, tokens: states.tokens, examples, empty: textOf(pictures.length) };
  } finally {
    await encoder.release();
    await vae.release();
  }
}

async function cached(path: string, make: () => Promise<Float32Array>): Promise<Float32Array> {
  if (existsSync(path)) {
    const bytes = readFileSync(path);
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  }
  const values = await make();
  writeFileAtomic(path, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return values;
}
