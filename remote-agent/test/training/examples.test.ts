import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it, vi } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { type Picture, toPixels } from '../../src/dataset/pictures.ts';
import { TextEncoder } from '../../src/diffusion/text-encoder.ts';
import { Vae } from '../../src/diffusion/vae.ts';
import type { TrainSpec } from '../../src/subject/train-spec.ts';
import { ExampleLoader } from '../../src/training/examples.ts';
import { tinyBase } from './golden.ts';
import { placesFor } from './places.ts';
import { notes, paintAll, run, tinySpec } from './runs.ts';

const place = placesFor('examples');

async function load(spec: TrainSpec, directory: string, use: 'training' | 'validation' = 'training') {
  const loader = new ExampleLoader(tinyBase(), spec, join(directory, 'cache'));
  try {
    await loader.check();
    return await loader.load(spec.pictures, use);
  } finally {
    await loader.release();
  }
}

/** The latent of a picture's pixels, by the base's VAE. */
async function latentOf(picture: Picture): Promise<Float32Array> {
  const vae = new Vae(tinyBase());
  const { width, height } = picture;
  try {
    return (await vae.encode({ count: 1, channels: 3, width, height, data: toPixels(picture) })).data;
  } finally {
    await vae.release();
  }
}

/** A part of a file's pixels without scaling. */
async function part(
  file: string,
  left: number,
  top: number,
  width: number,
  height: number,
): Promise<Picture> {
  const rgb = await sharp(file).extract({ left, top, width, height }).removeAlpha().raw().toBuffer();
  return { width, height, rgb: new Uint8Array(rgb) };
}

const all = (set: Awaited<ReturnType<typeof load>>) => set.groups.flatMap((group) => group.examples);

describe('pictures in training', () => {
  it('show their middle by default, and tell the U-Net their true size and crop', async () => {
    const directory = place();
    // Of the base's height, so that nothing is scaled.
    const [file] = await paintAll(directory, [[40, 16]]);
    const set = await load(tinySpec(directory), directory);
    const [example] = all(set);
    // Original height and width, top and left, target height and width.
    expect([...example!.timeIds]).toEqual([16, 40, 0, 12, 16, 16]);
    expect(example!.latent).toEqual(await latentOf(await part(file!, 12, 0, 16, 16)));
  });

  it('tell the size before scaling, and the corner after it', async () => {
    const directory = place();
    await paintAll(directory, [[96, 192]]);
    const [example] = all(await load(tinySpec(directory), directory));
    expect([...example!.timeIds]).toEqual([192, 96, 8, 0, 16, 16]);
  });

  it('cropped at random show the same few parts in every run, each with its own corner', async () => {
    const directory = place();
    const [file] = await paintAll(directory, [[80, 16]]);
    const spec = tinySpec(directory, { training: { crop: 'random', crops: 3, flip: true } });
    const examples = all(await load(spec, directory));
    expect(examples).toHaveLength(6);
    for (const [i, { timeIds, latent }] of examples.entries()) {
      const [height, width, top, left] = timeIds;
      expect([height, width, top]).toEqual([16, 80, 0]);
      if (i % 2 === 0) expect(latent).toEqual(await latentOf(await part(file!, left!, 0, 16, 16)));
      else {
        // The same part of the mirrored picture.
        const mirrored = await sharp(file).flop().png().toBuffer();
        const path = join(directory, 'mirrored.png');
        writeFileSync(path, mirrored);
        expect(latent).toEqual(await latentOf(await part(path, left!, 0, 16, 16)));
      }
    }
    expect(new Set(examples.map((e) => e.timeIds[3])).size).toBeGreaterThan(2);
    const again = all(await load(spec, place()));
    expect(again.map((e) => e.latent)).toEqual(examples.map((e) => e.latent));
  });

  it('in buckets keep their shape, in groups of one size each', async () => {
    const directory = place();
    const files = await paintAll(directory, [
      [16, 16],
      [20, 12],
      [12, 20],
      [40, 24],
    ]);
    const spec = tinySpec(directory, { training: { crop: 'buckets' } });
    const set = await load(spec, directory);
    expect(set.groups.map((g) => [g.width, g.height, g.examples.length])).toEqual([
      [20, 12, 2],
      [12, 20, 1],
      [16, 16, 1],
    ]);
    const wide = set.groups[0]!;
    expect([wide.latentWidth, wide.latentHeight]).toEqual([10, 6]);
    expect([...wide.examples[0]!.timeIds]).toEqual([12, 20, 0, 0, 12, 20]);
    expect([...wide.examples[1]!.timeIds]).toEqual([24, 40, 0, 0, 12, 20]);
    expect(wide.examples[0]!.latent).toEqual(await latentOf(await part(files[1]!, 0, 0, 20, 12)));
  });

  it('are measured whole and unmirrored for validation, whatever training shows', async () => {
    const directory = place();
    await paintAll(directory, [[40, 16]]);
    const spec = tinySpec(directory, { training: { crop: 'random', flip: true } });
    const [example, ...more] = all(await load(spec, directory, 'validation'));
    expect(more).toEqual([]);
    expect([...example!.timeIds]).toEqual([16, 40, 0, 12, 16, 16]);
  });

  it('need not be there any more, nor be whole in the cache, when a run goes on', async () => {
    const directory = place();
    await paintAll(directory, [
      [20, 12],
      [16, 16],
    ]);
    const spec = tinySpec(directory, { training: { crop: 'buckets', flip: true } });
    const first = await load(spec, directory);
    const cache = join(directory, 'cache');
    // A damaged file is made again.
    const latent = readdirSync(cache).find((name) => name.endsWith('.latent'))!;
    const texts = readdirSync(cache).find((name) => name.endsWith('.texts'))!;
    for (const name of [latent, texts])
      writeFileSync(join(cache, name), readFileSync(join(cache, name)).subarray(0, 40));
    expect(await load(spec, directory)).toEqual(first);
    rmSync(join(directory, 'pictures'), { recursive: true });
    expect(await load(spec, directory)).toEqual(first);
  });

  it('and captions are encoded in turns: text encoders and VAE are never loaded together', async () => {
    const directory = place();
    await paintAll(directory, new Array(2).fill([16, 16]));
    const spec = tinySpec(directory);
    const told: string[] = [];
    const real = { open: TextEncoder.open, encode: Vae.prototype.encode, free: Vae.prototype.release };
    const spies = [
      vi.spyOn(TextEncoder, 'open').mockImplementation(async (...all) => {
        told.push('text');
        const text = await real.open.apply(TextEncoder, all);
        const free = text.release.bind(text);
        text.release = async () => {
          told.push('text freed');
          await free();
        };
        return text;
      }),
      vi.spyOn(Vae.prototype, 'encode').mockImplementation(function (this: Vae, ...all) {
        told.push('VAE');
        return real.encode.apply(this, all);
      }),
      vi.spyOn(Vae.prototype, 'release').mockImplementation(function (this: Vae, ...all) {
        if (told.at(-1) === 'VAE') told.push('VAE freed');
        return real.free.apply(this, all);
      }),
    ];
    const loader = new ExampleLoader(tinyBase(), spec, join(directory, 'cache'));
    await loader.check();
    await loader.load(spec.pictures, 'training');
    // Other captions: the text encoders are needed again.
    await loader.load(
      spec.pictures.map((picture) => ({ ...picture, caption: 'another' })),
      'validation',
    );
    await loader.release();
    for (const spy of spies) spy.mockRestore();
    const text = ['text', 'text freed'];
    expect(told).toEqual([...text, 'VAE', 'VAE', 'VAE freed', ...text]);
  });

  it('with transparent parts are laid on the background that the subject names', async () => {
    const directory = place();
    const pictures = join(directory, 'pictures');
    mkdirSync(pictures);
    const create = {
      width: 16,
      height: 16,
      channels: 4,
      background: { r: 0, g: 0, b: 255, alpha: 0 },
    } as const;
    await sharp({ create }).png().toFile(join(pictures, 'clear.png'));
    const flat = (r: number, g: number, b: number): Picture => ({
      width: 16,
      height: 16,
      rgb: Uint8Array.from({ length: 768 }, (_, i) => [r, g, b][i % 3]!),
    });
    const latent = async (more: object) =>
      all(await load(tinySpec(directory, { ...more }), directory))[0]!.latent;
    expect(await latent({})).toEqual(await latentOf(flat(255, 255, 255)));
    expect(await latent({ background: '#10C020' })).toEqual(await latentOf(flat(16, 192, 32)));
  });
});

describe('a run with bad pictures', () => {
  it('names every problem of every picture in one error', async () => {
    const directory = place();
    const files = await paintAll(directory, [
      [64, 64],
      [64, 64],
      [3, 3],
      [16, 16],
      [64, 64],
    ]);
    writeFileSync(files[0]!, readFileSync(files[0]!).subarray(0, 300));
    writeFileSync(files[4]!, 'no picture');
    const spec = tinySpec(directory, { validation: { pictures: ['pictures/p4.png'], every: 2 } });
    const error = await run(directory, 'run', spec).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    expect(error).toBeInstanceOf(ParaError);
    const { code, message, where } = error as ParaError;
    expect(code).toBe('picture');
    expect(message).toContain('3 problems');
    expect(message).toMatch(/p0\.png.*damaged/);
    expect(message).toMatch(/p2\.png is too small: 3 x 3/);
    expect(message).toMatch(/p4\.png is not a readable picture/);
    expect(message).not.toMatch(/p[13]\.png/);
    for (const i of [0, 2, 4]) expect(where).toContain(files[i]);
  });

  it('says which picture was changed since the run was made', async () => {
    const directory = place();
    const [file] = await paintAll(directory, [
      [16, 16],
      [16, 16],
    ]);
    const spec = tinySpec(directory);
    await sharp({ create: { width: 16, height: 16, channels: 3, background: 'red' } })
      .png()
      .toFile(file!);
    await expect(run(directory, 'run', spec)).rejects.toThrow(/p0\.png was changed/);
  });

  it('tells the names of pictures that are made larger', async () => {
    const directory = place();
    await paintAll(directory, [
      [16, 16],
      [12, 30],
      [64, 64],
    ]);
    const { events } = await run(directory, 'run', tinySpec(directory, { training: { steps: 1 } }));
    expect(notes(events)).toContain('p1.png');
    expect(notes(events)).not.toMatch(/p[02]\.png/);
  });
});
