import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { AppliedAdapter } from '../../src/diffusion/adapter-slots.ts';
import type { Base } from '../../src/diffusion/base.ts';
import { Denoiser, timeIds } from '../../src/diffusion/denoiser.ts';
import { Generator } from '../../src/diffusion/generate.ts';
import { TextEncoder } from '../../src/diffusion/text-encoder.ts';
import { Vae } from '../../src/diffusion/vae.ts';
import { type CheckpointGolden, golden } from './random-checkpoint.ts';

/** Largest difference, relative to the largest number wanted where that is above 1. */
export function difference(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(got.length).toBe(wanted.length);
  let most = 0;
  let largest = 1;
  for (let i = 0; i < wanted.length; i++) {
    most = Math.max(most, Math.abs(got[i]! - wanted[i]!));
    largest = Math.max(largest, Math.abs(wanted[i]!));
  }
  return most / largest;
}

export const threads = { threads: 1 };

/** What the base makes of the golden prompt. */
export async function textStates(base: Base, file: CheckpointGolden) {
  const text = await TextEncoder.open(base, threads);
  const states = await text.encode([file.prompt]);
  await text.release();
  return states;
}

/** What its U-Net makes of the golden noise and text. */
export async function unetOutput(base: Base, file: CheckpointGolden): Promise<Float32Array> {
  const shape = { batch: 1, latentHeight: 8, latentWidth: 8, tokens: 77 };
  const denoiser = await Denoiser.open(base, shape, threads);
  const output = await denoiser.run(golden(file, 'start'), file.timestep, {
    hidden: golden(file, 'hidden'),
    pooled: 'pooled' in file ? golden(file, 'pooled') : new Float32Array(),
    timeIds: Float32Array.from(timeIds(64, 64)),
  });
  await denoiser.release();
  return output;
}

/** Largest difference of its VAE's latents and picture from the golden ones. */
export async function vaeDifference(base: Base, file: CheckpointGolden): Promise<number> {
  const vae = new Vae(base, threads);
  const pixels = { count: 1, channels: 3, height: 64, width: 64, data: golden(file, 'pixels') };
  const latents = { count: 1, channels: 4, height: 8, width: 8, data: golden(file, 'latents') };
  const found = [
    difference((await vae.encode(pixels)).data, golden(file, 'encoded')),
    difference((await vae.decode(latents)).data, golden(file, 'picture')),
  ];
  await vae.release();
  return Math.max(...found);
}

/** Latents after ten steps from the golden noise. */
export async function tenSteps(
  base: Base,
  file: CheckpointGolden,
  adapters: readonly AppliedAdapter[] = [],
): Promise<Float32Array> {
  const generator = new Generator(base, threads);
  const [picture] = await generator.generate({
    ...{ prompt: file.prompt, negative: file.negative, seed: 0, steps: 10, guidance: 5 },
    ...{ scheduler: 'ddim', width: 64, height: 64, startNoise: golden(file, 'start'), adapters },
  });
  await generator.release();
  return picture!.latents;
}

/** Everything that the base computes is what diffusers computed, within 1e-4. */
export async function expectLikeDiffusers(base: Base, file: CheckpointGolden): Promise<void> {
  const states = await textStates(base, file);
  expect(difference(states.hidden, golden(file, 'hidden'))).toBeLessThan(1e-4);
  if ('pooled' in file) expect(difference(states.pooled, golden(file, 'pooled'))).toBeLessThan(1e-4);
  expect(difference(await unetOutput(base, file), golden(file, 'output'))).toBeLessThan(1e-4);
  expect(await vaeDifference(base, file)).toBeLessThan(1e-4);
  expect(difference(await tenSteps(base, file), golden(file, 'latents'))).toBeLessThan(1e-4);
}

/** Gives a test file a home of its own; returns the folder. */
export function ownHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'para-checkpoint-'));
  const before = process.env.PARA_HOME;
  beforeAll(() => {
    process.env.PARA_HOME = join(home, 'para');
  });
  afterAll(() => {
    if (before === undefined) delete process.env.PARA_HOME;
    else process.env.PARA_HOME = before;
    rmSync(home, { recursive: true, force: true });
  });
  return home;
}
