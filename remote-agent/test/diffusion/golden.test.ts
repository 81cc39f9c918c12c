import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBase } from '../../src/diffusion/base.ts';
import { Denoiser, timeIds } from '../../src/diffusion/denoiser.ts';
import { Generator } from '../../src/diffusion/generate.ts';
import { SamplingNoise } from '../../src/diffusion/noise.ts';
import { makeScheduler } from '../../src/diffusion/schedulers/index.ts';
import { TextEncoder } from '../../src/diffusion/text-encoder.ts';
import { Vae } from '../../src/diffusion/vae.ts';

interface Packed {
  type: 'f32' | 'u8';
  dims: number[];
  data: string;
}

interface Draw {
  name: string;
  scheduler: string;
  steps: number;
  guidance: number;
  negative?: string;
  eta?: number;
  latents: Packed;
  picture?: Packed;
}

interface Golden {
  texts: { text: string; ids: number[][]; whole: number[][] }[];
  prompt: string;
  hidden: Packed;
  pooled: Packed;
  start: Packed;
  timestep: number;
  output: Packed;
  added: Packed;
  draws: Draw[];
  encode: { picture: Packed; latent: Packed };
}

const root = join(import.meta.dirname, '../golden');
const bases = readdirSync(join(root, 'bases'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

function floats({ data }: Packed): Float32Array {
  const bytes = Buffer.from(data, 'base64');
  return new Float32Array(new Uint8Array(bytes).buffer);
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  expect(a.length).toBe(b.length);
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
  return difference;
};

const relative = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let above = 0;
  let below = 0;
  for (let i = 0; i < b.length; i++) {
    above += (a[i]! - b[i]!) * (a[i]! - b[i]!);
    below += b[i]! * b[i]!;
  }
  return Math.sqrt(above / below);
};

it('is tried on bases of two exporters', () => {
  expect(bases.length).toBeGreaterThanOrEqual(2);
});

describe.each(bases)('on the base %s', (name) => {
  const base = openBase(join(root, 'bases', name));
  const golden = JSON.parse(readFileSync(join(root, 'diffusion', `${name}.json`), 'utf8')) as Golden;
  let text: TextEncoder;
  let generator: Generator;

  beforeAll(async () => {
    text = await TextEncoder.open(base, { threads: 1 });
    generator = new Generator(base, { threads: 1 });
  });
  afterAll(async () => {
    await text.release();
    await generator.release();
  });

  it('token ids are those of transformers', () => {
    for (const wanted of golden.texts)
      for (const [i, tokenizer] of text.tokenizers.entries()) {
        expect(tokenizer.encode(wanted.text), JSON.stringify(wanted.text)).toEqual(wanted.whole[i]);
        const { tokens } = base.textEncoders[i]!;
        if (wanted.whole[i]!.length > tokens - 2) continue; // diffusers cuts here, we go on in another chunk
        const ids = [tokenizer.start, ...tokenizer.encode(wanted.text), tokenizer.end];
        while (ids.length < tokens) ids.push(tokenizer.padding);
        expect(ids).toEqual(wanted.ids[i]);
      }
  });

  it('text states are those of diffusers within 1e-4', async () => {
    const states = await text.encode([golden.prompt]);
    expect(largest(states.hidden, floats(golden.hidden))).toBeLessThan(1e-4);
    expect(largest(states.pooled, floats(golden.pooled))).toBeLessThan(1e-4);
  });

  it('one U-Net call gives what diffusers gives within 1e-4', async () => {
    const [, , h, w] = golden.start.dims as [number, number, number, number];
    const denoiser = await Denoiser.open(
      base,
      { batch: 1, latentHeight: h, latentWidth: w, tokens: golden.hidden.dims[1]! },
      { threads: 1 },
    );
    const output = await denoiser.run(floats(golden.start), golden.timestep, {
      hidden: floats(golden.hidden),
      pooled: floats(golden.pooled),
      timeIds: Float32Array.from(timeIds(w * base.vaeFactor, h * base.vaeFactor)),
    });
    await denoiser.release();
    expect(largest(output, floats(golden.output))).toBeLessThan(1e-4);
  });

  it('the mean latent of a picture is that of diffusers within 1e-4', async () => {
    const vae = new Vae(base, { threads: 1 });
    const [count, channels, height, width] = golden.encode.picture.dims as [number, number, number, number];
    const latent = await vae.encode({ count, channels, height, width, data: floats(golden.encode.picture) });
    await vae.release();
    expect(largest(latent.data, floats(golden.encode.latent))).toBeLessThan(1e-4);
  });

  it.each(golden.draws.filter((d) => !d.eta && d.scheduler !== 'euler-ancestral'))(
    'latents after $steps steps of $name equal those of diffusers within 1e-3, and so does the picture',
    async (draw) => {
      const { steps, guidance, scheduler, negative } = draw;
      const [, , h, w] = golden.start.dims as [number, number, number, number];
      const [picture] = await generator.generate({
        ...{ prompt: golden.prompt, seed: 0, steps, guidance, scheduler },
        ...(negative ? { negative } : {}),
        ...{ width: w * base.vaeFactor, height: h * base.vaeFactor, startNoise: floats(golden.start) },
      });
      expect(relative(picture!.latents, floats(draw.latents))).toBeLessThan(1e-3);
      if (!draw.picture) return;
      const wanted = Buffer.from(draw.picture.data, 'base64');
      const differences = picture!.pixels.map((p, i) => Math.abs(p - wanted[i]!)).sort();
      expect(differences.length).toBe(wanted.length);
      expect(differences[Math.floor(0.999 * (differences.length - 1))]).toBeLessThanOrEqual(2);
    },
  );

  it.each(golden.draws.filter((d) => d.eta || d.scheduler === 'euler-ancestral'))(
    'latents of $name equal those of diffusers within 1e-3 when the same noise is added',
    async (draw) => {
      const states = await text.encode([draw.negative!, golden.prompt]);
      const [, , h, w] = golden.start.dims as [number, number, number, number];
      const denoiser = await Denoiser.open(
        base,
        { batch: 2, latentHeight: h, latentWidth: w, tokens: states.tokens },
        { threads: 1 },
      );
      const { steps, eta = 0, guidance } = draw;
      const scheduler = makeScheduler(draw.scheduler, base.scheduler, { steps, eta });
      const start = floats(golden.start);
      const added = floats(golden.added);
      const ids = timeIds(w * base.vaeFactor, h * base.vaeFactor);
      let latents = start.map((x) => x * scheduler.initialSigma);
      for (const [i, t] of scheduler.timesteps.entries()) {
        const input = scheduler.scaleInput(latents, i);
        const output = await denoiser.run(Float32Array.of(...input, ...input), t, {
          hidden: states.hidden,
          pooled: states.pooled,
          timeIds: Float32Array.of(...ids, ...ids),
        });
        const n = start.length;
        const guided = start.map((_, k) => output[k]! + guidance * (output[n + k]! - output[k]!));
        latents = scheduler.step(latents, guided, i, added.subarray(i * n, (i + 1) * n)) as typeof latents;
      }
      await denoiser.release();
      expect(relative(latents, floats(draw.latents))).toBeLessThan(1e-3);
    },
  );

  it('picture k of a batch is the single picture with seed + k, to the last bit', async () => {
    const wish = { prompt: golden.prompt, steps: 3, scheduler: 'euler-ancestral' };
    const many = await generator.generate({ ...wish, seed: 5, count: 3 });
    const one = await generator.generate({ ...wish, seed: 7 });
    expect(many.map((p) => p.seed)).toEqual([5, 6, 7]);
    expect(many[2]!.latents).toEqual(one[0]!.latents);
    expect(many[2]!.pixels).toEqual(one[0]!.pixels);
    expect(many[0]!.pixels).not.toEqual(many[1]!.pixels);
    const together = await generator.generate({ ...wish, seed: 5, count: 3, batch: 2 });
    expect(relative(together[2]!.latents, one[0]!.latents)).toBeLessThan(1e-4);
  });
});

describe('noise on the way', () => {
  it('goes on where it stopped, whatever is drawn at a time', () => {
    const a = new SamplingNoise(3);
    const b = new SamplingNoise(3);
    expect([...a.next(2), ...a.next(3)]).toEqual([...b.next(5)]);
  });
});
