import { join } from 'node:path';
import { expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { lora } from '../../src/adapters/lora.ts';
import { normals } from '../../src/common/random.ts';
import type { AppliedAdapter } from '../../src/diffusion/adapter-slots.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { Generator, generate, type Preview } from '../../src/diffusion/generate.ts';
import { cleanLatent, smallLatent } from '../../src/diffusion/preview.ts';
import { schedulerNames } from '../../src/diffusion/schedulers/index.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { findLayers } from '../../src/onnx/modules.ts';

const base = openBase(join(import.meta.dirname, '../golden/bases/tiny-dynamo'));
const wish = { prompt: 'a red apple', seed: 1, steps: 3 };

function adapter(rank: number): AppliedAdapter {
  const layers = chooseLayers(findLayers(loadGraph(base.unet.path)).layers, 'attention');
  const plan = lora.plan(layers, { rank });
  const values = normals(1, 'exact', plan.parameterCount).map((x) => x * 0.2);
  return { operators: lora.operators(lora.tensors(plan, values), new Map()), strength: 1 };
}

it('a resident generator gives each request the bits of a generator of its own, whatever it drew before', async () => {
  const resident = new Generator(base, { exactSessions: { most: 2 } });
  const [narrow, wide] = [adapter(1), adapter(4)];
  const combinations = [[], [wide], [], [narrow], [wide, narrow], [narrow], []];
  for (const adapters of combinations) {
    const [here] = await resident.generate({ ...wish, adapters });
    const [alone] = await generate(base, { ...wish, adapters });
    expect(here!.latents).toEqual(alone!.latents);
  }
  await resident.release();
});

it('asks for room before a session is made, and lets the older ones go where there is none', async () => {
  const asked: number[] = [];
  const fits = async ({ latentWidth }: { latentWidth: number }) => {
    asked.push(latentWidth);
    return false;
  };
  const anySize = openBase(join(import.meta.dirname, '../golden/bases/tiny-optimum'));
  const { width, height, vaeFactor } = anySize;
  const resident = new Generator(anySize, { exactSessions: { most: 3, fits } });
  const draw = (wide: number) => resident.generate({ ...wish, width: wide, height });
  await draw(width);
  expect(asked).toEqual([]);
  await draw(2 * width);
  await draw(2 * width);
  await draw(width);
  expect(asked).toEqual([(2 * width) / vaeFactor, width / vaeFactor]);
  await resident.release();
});

it.each(schedulerNames)(
  'previews of %s come to the picture itself and do not change it',
  async (scheduler) => {
    const previews: Preview[] = [];
    const [looked] = await generate(base, {
      ...{ ...wish, scheduler, steps: 8 },
      onStep: async ({ preview }) => void previews.push(await preview()),
    });
    const [plain] = await generate(base, { ...wish, scheduler, steps: 8 });
    expect(looked!.pixels).toEqual(plain!.pixels);
    const distance = ({ pixels }: Preview) =>
      pixels.reduce((sum, x, i) => sum + Math.abs(x - plain!.pixels[i]!), 0) / pixels.length;
    expect(previews.map(({ width, height }) => [width, height])).toEqual(
      previews.map(() => [plain!.width, plain!.height]),
    );
    expect(distance(previews.at(-1)!)).toBeLessThan(8);
    expect(distance(previews.at(-1)!)).toBeLessThan(distance(previews[0]!));
  },
);

it('takes the noise away that the U-Net names: a latent made noisy by hand comes back', () => {
  const clean = normals(1, 'clean', 64);
  const noise = normals(1, 'noise', 64);
  const { scheduler } = base;
  // Signal and spread of timestep 500 by the definition of the noise schedule, in f64.
  const [from, to] = [scheduler.betaStart, scheduler.betaEnd].map(Math.sqrt) as [number, number];
  let alpha = 1;
  for (let t = 0; t <= 500; t++)
    alpha *= 1 - (from + ((to - from) * t) / (scheduler.trainTimesteps - 1)) ** 2;
  expect(scheduler.betaSchedule).toBe('scaled_linear');
  const noisy = clean.map((x, i) => Math.sqrt(alpha) * x + Math.sqrt(1 - alpha) * noise[i]!);
  const back = cleanLatent({ ...scheduler, predictionType: 'epsilon' }, 500, noisy, noise);
  const v = noise.map((e, i) => Math.sqrt(alpha) * e - Math.sqrt(1 - alpha) * clean[i]!);
  const backFromV = cleanLatent({ ...scheduler, predictionType: 'v_prediction' }, 500, noisy, v);
  for (const [i, x] of clean.entries()) {
    expect(back[i]).toBeCloseTo(x, 4);
    expect(backFromV[i]).toBeCloseTo(x, 4);
  }
});

it('makes a large latent smaller by the means of squares', () => {
  const data = Float32Array.from({ length: 128 * 64 }, (_, i) => (Math.floor(i / 64) % 2) + (i % 2) * 2);
  const small = smallLatent({ count: 1, channels: 1, height: 128, width: 64, data });
  expect([small.height, small.width]).toEqual([64, 32]);
  expect(new Set(small.data)).toEqual(new Set([1.5]));
});
