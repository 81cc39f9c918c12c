import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { lora } from '../../src/adapters/lora.ts';
import { normals } from '../../src/common/random.ts';
import type { AppliedAdapter } from '../../src/diffusion/adapter-slots.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { Generator } from '../../src/diffusion/generate.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { findLayers } from '../../src/onnx/modules.ts';

const base = openBase(join(import.meta.dirname, '../golden/bases/tiny-dynamo'));
const generator = new Generator(base, { threads: 1 });
afterAll(() => generator.release());

function adapter(strength: number): AppliedAdapter {
  const layers = chooseLayers(findLayers(loadGraph(base.unet.path)).layers, 'attention');
  const plan = lora.plan(layers, { rank: 2 });
  const values = normals(1, 'test', plan.parameterCount).map((x) => x * 0.2);
  return { operators: lora.operators(lora.tensors(plan, values), new Map()), strength };
}

it('an adapter changes the picture, strength 0 does not, and going back gives the same bits', async () => {
  const wish = { prompt: 'a red apple', seed: 1, steps: 3 };
  const latents = async (adapters: AppliedAdapter[]) =>
    (await generator.generate({ ...wish, adapters }))[0]!.latents;
  const plain = await latents([]);
  const on = await latents([adapter(1)]);
  const off = await latents([adapter(0)]);
  const distance = (a: Float32Array, b: Float32Array) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));
  expect(distance(on, plain)).toBeGreaterThan(1e-3);
  expect(distance(off, plain)).toBeLessThan(1e-4);
  expect(await latents([adapter(1)])).toEqual(on);
  await expect(latents([adapter(Number.NaN)])).rejects.toMatchObject({ code: 'settings' });
});
