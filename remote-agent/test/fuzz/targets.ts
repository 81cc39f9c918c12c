import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { decodeAdapter, encodeAdapter } from '../../src/adapters/adapter.ts';
import { readForeign } from '../../src/adapters/foreign-keys.ts';
import type { FloatTensor } from '../../src/adapters/method.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/adapters/safetensors.ts';
import { ParaError } from '../../src/common/errors.ts';
import { readPicture } from '../../src/dataset/pictures.ts';
import { crc32, pngText, withPngText } from '../../src/dataset/png-text.ts';
import { parseParameters } from '../../src/diffusion/recipe.ts';
import { decodeGraph } from '../../src/onnx/io.ts';
import { simplify } from '../../src/onnx/simplify.ts';
import { parseSubject } from '../../src/subject/load.ts';
import { seeded } from './mutate.ts';

/** A kind of file: whole examples of it, and the product's own way to read one. */
export interface Target {
  readonly kind: string;
  readonly examples: readonly Uint8Array[];
  read(bytes: Uint8Array): void | Promise<void>;
  /** Makes checksums fit again (in place), so that damage gets past them. */
  mend?(bytes: Uint8Array): void;
}

const random = seeded(7);
const floats = (...shape: number[]): FloatTensor => ({
  dims: shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() - 0.5),
});

function safetensors(): Target {
  const layer = 'mid_block.attentions.0.proj_in';
  const own = (method: 'para' | 'lora', tensors: [string, FloatTensor][]) =>
    encodeAdapter({
      method,
      tensors: new Map(tensors),
      scales: method === 'lora' ? new Map([[layer, 2]]) : new Map(),
      info: { title: 'a dog', baseHash: 'ab'.repeat(32), triggerWords: ['sks dog'] },
      metadata: {},
    });
  const kohya = encodeSafetensors(
    new Map([
      ['lora_unet_mid_block_attentions_0_proj_in.lora_down.weight', floats(4, 8)],
      ['lora_unet_mid_block_attentions_0_proj_in.lora_up.weight', floats(8, 4)],
      ['lora_unet_mid_block_attentions_0_proj_in.alpha', floats()],
    ]),
    { ss_network_dim: '4' },
  );
  return {
    kind: 'safetensors',
    examples: [
      own('para', [[`${layer}.para_B.weight`, floats(8, 2)]]),
      own('lora', [
        [`${layer}.lora_A.weight`, floats(4, 8)],
        [`${layer}.lora_B.weight`, floats(8, 4)],
      ]),
      kohya,
    ],
    read(bytes) {
      const { tensors, metadata } = decodeSafetensors(bytes, 'mutated');
      if (Object.hasOwn(metadata, 'para_studio.format')) decodeAdapter(bytes, 'mutated');
      else readForeign(tensors, 'mutated');
    },
  };
}

function onnx(folder: string): Target {
  const examples = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => join(folder, name))
    .sort((a, b) => statSync(a).size - statSync(b).size || (a < b ? -1 : 1))
    .map((path) => readFileSync(path));
  const read = (bytes: Uint8Array) => simplify(decodeGraph(bytes, folder, 'mutated'));
  // Some of the files there are meant to be refused.
  const whole = examples.filter((bytes) => {
    try {
      read(bytes);
      return true;
    } catch (error) {
      if (error instanceof ParaError) return false;
      throw error;
    }
  });
  return { kind: 'ONNX', examples: whole.slice(0, 8), read };
}

async function png(folder: string, scratch: string): Promise<Target> {
  const path = join(scratch, 'mutated.png');
  const small = (name: string) => sharp(join(folder, name)).resize(24, 24);
  const drawn = await small('dog-1.png').png().toBuffer();
  return {
    kind: 'PNG',
    examples: [
      withPngText(
        drawn,
        'parameters',
        'a dog\nSteps: 20, Sampler: DDIM, CFG scale: 5, Seed: 3, Size: 128x128',
      ),
      await small('dog-2.png').ensureAlpha(0.5).withIccProfile('p3').png({ palette: false }).toBuffer(),
      await small('dog-3.png').png({ palette: true, progressive: true }).toBuffer(),
    ],
    mend: withGoodChecksums,
    async read(bytes) {
      const text = pngText(bytes, 'parameters', 'mutated');
      if (text !== undefined) parseParameters(text);
      writeFileSync(path, bytes);
      await readPicture(path);
    },
  };
}

function withGoodChecksums(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) return;
    view.setUint32(at + 8 + length, crc32(bytes.subarray(at + 4, at + 8 + length)));
    at += 12 + length;
  }
}

function subject(folder: string): Target {
  const name = join(folder, 'dog.para.json');
  const full = JSON.stringify(
    {
      pictures: [{ file: 'dog-1.png', caption: 'sks dog' }, 'dog-2.png'],
      class: 'dog',
      trigger: 'sks',
      training: { steps: 200, learningRate: 0.001, minSnrGamma: 5, seed: 1 },
    },
    null,
    2,
  );
  return {
    kind: 'subject file',
    examples: [readFileSync(name), new TextEncoder().encode(full)],
    read: (bytes) => void parseSubject(new TextDecoder().decode(bytes), name),
  };
}

/** The kinds of files that reach the product from outside; `root` is the project's folder. */
export async function targets(root: string, scratch: string): Promise<Target[]> {
  mkdirSync(scratch, { recursive: true });
  const dog = join(root, 'examples/dog');
  return [safetensors(), onnx(join(root, 'remote-agent/test')), await png(dog, scratch), subject(dog)];
}
