import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Base, openBase } from '../../src/diffusion/base.ts';
import { importBase, listBases } from '../../src/diffusion/base-import.ts';
import { Denoiser, timeIds } from '../../src/diffusion/denoiser.ts';
import { Generator } from '../../src/diffusion/generate.ts';
import { TextEncoder } from '../../src/diffusion/text-encoder.ts';
import { Vae } from '../../src/diffusion/vae.ts';
import { type CheckpointGolden, checkpointGolden, golden, writeCheckpoint } from './random-checkpoint.ts';

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

/** Largest difference, relative to the largest number wanted where that is above 1. */
function difference(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(got.length).toBe(wanted.length);
  let most = 0;
  let largest = 1;
  for (let i = 0; i < wanted.length; i++) {
    most = Math.max(most, Math.abs(got[i]! - wanted[i]!));
    largest = Math.max(largest, Math.abs(wanted[i]!));
  }
  return most / largest;
}

const bytesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce(
    (sum, name) => sum + statSync(join(folder, name)).size,
    0,
  );

const threads = { threads: 1 };

/** What the base makes of the golden prompt. */
async function textStates(base: Base, file: CheckpointGolden) {
  const text = await TextEncoder.open(base, threads);
  const states = await text.encode([file.prompt]);
  await text.release();
  return states;
}

/** What its U-Net makes of the golden noise and text. */
async function unetOutput(base: Base, file: CheckpointGolden): Promise<Float32Array> {
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

describe.each(['sd', 'sdxl'] as const)('a single-file checkpoint of the architecture %s', (architecture) => {
  const file = checkpointGolden(architecture);
  const path = join(home, `${architecture}.safetensors`);
  let base: Base;

  beforeAll(() => {
    writeCheckpoint(path, file.tensors);
    base = importBase(path);
  });

  it('is imported without its weights', () => {
    expect(openBase(architecture).architecture).toBe(architecture);
    expect(bytesIn(base.directory)).toBeLessThan(20e6);
  });

  it('text states are those of diffusers within 1e-4', async () => {
    const states = await textStates(base, file);
    expect(difference(states.hidden, golden(file, 'hidden'))).toBeLessThan(1e-4);
    if (architecture === 'sdxl') expect(difference(states.pooled, golden(file, 'pooled'))).toBeLessThan(1e-4);
  });

  it('one U-Net call gives what diffusers gives within 1e-4', async () => {
    expect(difference(await unetOutput(base, file), golden(file, 'output'))).toBeLessThan(1e-4);
  });

  it('latents of a picture, and the picture of latents, are those of diffusers within 1e-4', async () => {
    const vae = new Vae(base, threads);
    const pixels = { count: 1, channels: 3, height: 64, width: 64, data: golden(file, 'pixels') };
    expect(difference((await vae.encode(pixels)).data, golden(file, 'encoded'))).toBeLessThan(1e-4);
    const latents = { count: 1, channels: 4, height: 8, width: 8, data: golden(file, 'latents') };
    expect(difference((await vae.decode(latents)).data, golden(file, 'picture'))).toBeLessThan(1e-4);
    await vae.release();
  });

  it('ten steps end where those of diffusers end, within 1e-4', async () => {
    const generator = new Generator(base, threads);
    const [picture] = await generator.generate({
      ...{ prompt: file.prompt, negative: file.negative, seed: 0, steps: 10, guidance: 5 },
      ...{ scheduler: 'ddim', width: 64, height: 64, startNoise: golden(file, 'start') },
    });
    await generator.release();
    expect(difference(picture!.latents, golden(file, 'latents'))).toBeLessThan(1e-4);
  });
});

describe('the file of an imported checkpoint', () => {
  const file = checkpointGolden('sd');
  const { tensors } = file;

  it('may be touched, but not changed or moved: the base then says so before anything is loaded', () => {
    const path = join(home, 'folder', 'model.safetensors');
    writeCheckpoint(path, tensors);
    importBase(path, 'watched');
    utimesSync(path, 1, 1);
    expect(openBase('watched').name).toBe('watched');
    const fd = openSync(path, 'r+');
    writeSync(fd, Buffer.from([1, 2, 3, 4]), 0, 4, statSync(path).size - 4);
    closeSync(fd);
    expect(() => openBase('watched')).toThrow('changed after it was imported');
    renameSync(path, `${path}.moved`);
    expect(() => openBase('watched')).toThrow('not where it was');
    expect(listBases().find(({ name }) => name === 'watched')?.problem).toMatch('not where it was');
  });

  it('may be reached by a link, as download caches hold it', async () => {
    writeCheckpoint(join(home, 'blob'), tensors);
    symlinkSync(join(home, 'blob'), join(home, 'link.safetensors'));
    const base = importBase(join(home, 'link.safetensors'));
    expect(difference(await unetOutput(base, file), golden(file, 'output'))).toBeLessThan(1e-4);
  });

  it.each(['F16', 'BF16'] as const)('may hold %s: the same numbers give the same outputs', async (dtype) => {
    const path = join(home, `${dtype}.safetensors`);
    writeCheckpoint(path, tensors, dtype);
    const base = importBase(path);
    expect(difference(await unetOutput(base, file), golden(file, 'output'))).toBeLessThan(1e-4);
    const states = await textStates(base, file);
    expect(difference(states.hidden, golden(file, 'hidden'))).toBeLessThan(1e-4);
  });

  it('may hold more than the model, but not less', () => {
    const extra = join(home, 'extra.safetensors');
    writeCheckpoint(extra, { ...tensors, 'model_ema.decay': [1], alphas_cumprod: [1000] });
    expect(importBase(extra).architecture).toBe('sd');
    const pruned = Object.entries(tensors).filter(([name]) => !name.startsWith('cond_stage_model.'));
    writeCheckpoint(join(home, 'pruned.safetensors'), Object.fromEntries(pruned));
    expect(() => importBase(join(home, 'pruned.safetensors'))).toThrow('has no text encoder');
    const { 'first_stage_model.decoder.conv_out.bias': _, ...holed } = tensors;
    writeCheckpoint(join(home, 'holed.safetensors'), holed);
    expect(() => importBase(join(home, 'holed.safetensors'))).toThrow('lacks 1 weights of its vae decoder');
    expect(() => openBase('holed')).toThrow('no base');
  });

  it('is refused where it is cut off or of another format', () => {
    const path = join(home, 'cut.safetensors');
    writeFileSync(
      path,
      Buffer.from('80 bytes of a pickle that could run code when it is loaded by the one who made it'),
    );
    expect(() => importBase(path)).toThrow('not a safetensors file that can be read');
  });
});
