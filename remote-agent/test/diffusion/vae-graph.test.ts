import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openBase } from '../../src/diffusion/base.ts';
import { encoderModel } from '../../src/diffusion/vae-graph.ts';
import { loadGraph } from '../../src/onnx/io.ts';

const encoder = (base: string) => openBase(join(import.meta.dirname, '../golden/bases', base)).vaeEncoder;

it('a VAE encoder that draws its latent gives the mean instead; others stay as they are', () => {
  const drawing = loadGraph(encoder('tiny-dynamo')).nodes.some((node) => node.opType.startsWith('Random'));
  expect(drawing).toBe(true);
  expect(encoderModel(encoder('tiny-dynamo'))).toBeInstanceOf(Uint8Array);
  expect(encoderModel(encoder('tiny-optimum'))).toBe(encoder('tiny-optimum').path);
});
