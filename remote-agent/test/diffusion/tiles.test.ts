import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { normals } from '../../src/common/random.ts';
import { type Base, openBase } from '../../src/diffusion/base.ts';
import { vaeBytes } from '../../src/diffusion/base-memory.ts';
import { sharesOf, tilesOf } from '../../src/diffusion/tiles.ts';
import { type Planes, Vae } from '../../src/diffusion/vae.ts';
import { encoderModel, fusedVae } from '../../src/diffusion/vae-graph.ts';
import { newGraph, saveGraph } from '../../src/onnx/io.ts';
import { DataType, floatTensor, valueInfo } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { toFloats } from '../../src/runtime/tensor.ts';
import { goldenPath, tinyBase } from '../training/golden.ts';
import { placesFor } from '../training/places.ts';
import { difference, threads } from './checkpoint-outputs.ts';

const place = placesFor('tiles');
const pocket = openBase('pocket-sdxl');

describe('a picture is cut', () => {
  it('not at all up to 1024 x 1024 pixels of SDXL, whatever its shape', () => {
    for (const [height, width] of [
      [128, 128],
      [112, 144],
      [64, 256],
    ] as const)
      expect(tilesOf(height, width)).toBeUndefined();
    expect(tilesOf(128, 136)).toBeDefined();
  });

  it('into tiles of one size that reach its ends and share a quarter with their neighbours', () => {
    for (const [height, width] of [
      [129, 128],
      [37, 600],
      [256, 256],
      [192, 161],
    ] as const) {
      const { rows, columns } = tilesOf(height, width)!;
      for (const [size, { length, starts }] of [
        [height, rows],
        [width, columns],
      ] as const) {
        expect(length).toBe(Math.min(size, 128));
        expect([starts[0], starts.at(-1)! + length]).toEqual([0, size]);
        for (const [i, start] of starts.slice(1).entries()) {
          expect(start).toBeGreaterThan(starts[i]!);
          expect(starts[i]! + length - start).toBeGreaterThanOrEqual(32);
        }
      }
    }
  });

  it('and put together by shares that sum to one and change in steps smaller than can be seen', () => {
    const cuts = tilesOf(8, 400, 20)!.columns;
    const sums = new Float64Array(1600);
    for (const [k, shares] of sharesOf(cuts, 4).entries()) {
      const steps = shares.slice(1).map((share, i) => Math.abs(share - shares[i]!));
      expect(Math.max(...steps)).toBeLessThan(1 / 19);
      for (const [i, share] of shares.entries()) sums[4 * cuts.starts[k]! + i]! += share;
    }
    for (const sum of sums) expect(sum).toBeCloseTo(1, 6);
  });
});

/** A VAE without norms or kernels wider than a pixel: what it gives at a position follows from that position alone. */
function localBase(): Base {
  const folder = place();
  const part = (name: string, from: number, to: number, depth: string) => {
    const graph = newGraph(name, 18);
    const wide = (channels: number) => [1, channels, 'h', 'w'] as unknown as number[];
    graph.addInput('x', DataType.FLOAT, wide(from));
    const [into, out] = depth === 'DepthToSpace' ? [from, 4 * to] : [4 * from, to];
    graph.setInitializer(floatTensor('weight', [out, into, 1, 1], normals(1, name, out * into)));
    const attributes = { blocksize: 2n };
    if (depth === 'DepthToSpace') {
      graph.push(graph.makeNode('Conv', ['x', 'weight'], { outputs: ['deep'] }));
      graph.push(graph.makeNode(depth, ['deep'], { outputs: ['y'], attributes }));
    } else {
      graph.push(graph.makeNode(depth, ['x'], { outputs: ['deep'], attributes }));
      graph.push(graph.makeNode('Conv', ['deep', 'weight'], { outputs: ['y'] }));
    }
    graph.setOutputs([valueInfo('y', DataType.FLOAT, wide(to))]);
    const directory = join(folder, name);
    mkdirSync(directory);
    const path = join(directory, 'model.onnx');
    saveGraph(graph, path);
    const port = (of: string, channels: number) =>
      ({ name: of, type: 'float32', dims: [1, channels, undefined, undefined] }) as const;
    return {
      directory,
      path,
      weights: directory,
      files: [path],
      input: port('x', from),
      output: port('y', to),
    };
  };
  return {
    ...pocket,
    ...{ latentChannels: 4, vaeFactor: 2, scalingFactor: 0.5, shiftFactor: 0.1 },
    vaeEncoder: part('encoder', 3, 4, 'SpaceToDepth'),
    vaeDecoder: part('decoder', 4, 3, 'DepthToSpace'),
  };
}

const planes = (channels: number, height: number, width: number): Planes => ({
  ...{ count: 2, channels, height, width },
  data: normals(2, 'planes', 2 * channels * height * width),
});

describe('a picture in tiles', () => {
  it('is the whole one, to rounding, where nothing reaches beyond its place: nothing is moved, lost or counted twice', async () => {
    const base = localBase();
    const [whole, tiled] = [new Vae(base, threads), new Vae(base, { ...threads, tileSide: 16 })];
    for (const [height, width] of [
      [37, 52],
      [9, 70],
      [64, 16],
    ] as const) {
      const latents = planes(4, height, width);
      const picture = planes(3, 2 * height, 2 * width);
      for (const [a, b] of [
        [await tiled.decode(latents), await whole.decode(latents)],
        [await tiled.encode(picture), await whole.encode(picture)],
      ] as const) {
        expect({ ...a, data: 0 }).toEqual({ ...b, data: 0 });
        expect(difference(a.data, b.data)).toBeLessThan(1e-6);
      }
    }
    await whole.release();
    await tiled.release();
  });

  it('differs by its norms, which see a tile at a time, without a seam', async () => {
    const [width, height, side] = [256, 192, 32];
    const { data: rgb } = await sharp(goldenPath('../../../examples/robot/robot-1.png'))
      .resize(width, height, { fit: 'cover' })
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const size = width * height;
    const data = Float32Array.from(
      { length: 3 * size },
      (_, i) => rgb[3 * (i % size) + Math.floor(i / size)]! / 127.5 - 1,
    );
    const [whole, tiled] = [new Vae(pocket, threads), new Vae(pocket, { ...threads, tileSide: side })];
    const picture = { count: 1, channels: 3, height, width, data };
    const latents = await whole.encode(picture);
    const apart = (a: Planes, b: Planes, scale: number) => a.data.map((x, i) => scale * (x - b.data[i]!));
    const mean = (values: Float32Array) => values.reduce((sum, x) => sum + Math.abs(x), 0) / values.length;
    const most = (values: Float32Array) => values.reduce((a, x) => Math.max(a, Math.abs(x)), 0);
    // Latents are of about unit size: seen were 0.04 on average and 0.27 at most.
    const ofLatents = apart(await tiled.encode(picture), latents, 1);
    expect(mean(ofLatents)).toBeLessThan(0.08);
    expect(most(ofLatents)).toBeLessThan(0.6);
    // In steps of 8 bits: seen were 3.0 on average and 20 at most, of tiles of a quarter of the picture.
    const off = apart(await tiled.decode(latents), await whole.decode(latents), 127.5);
    expect(mean(off)).toBeLessThan(6);
    expect(most(off)).toBeLessThan(40);
    // Edges of what is shown are some pixels wide; a seam would be a jump of the difference between two columns alone.
    const jump = (x: number) => {
      let sum = 0;
      for (let row = 0; row < 3 * height; row++)
        sum += Math.abs(off[row * width + x]! - off[row * width + x - 1]!);
      return sum / (3 * height);
    };
    const { length, starts } = tilesOf(height / 4, width / 4, side)!.columns;
    const borders = starts
      .flatMap((start) => [4 * start, 4 * (start + length)])
      .filter((x) => x > 0 && x < width);
    expect(borders.length).toBeGreaterThan(2);
    for (const border of borders) {
      const beside = [-2, -1, 1, 2].map((step) => jump(border + step));
      expect(jump(border)).toBeLessThan(1.2 * Math.max(...beside));
    }
    await whole.release();
    await tiled.release();
  });

  it('takes no more memory than one of 1024 x 1024 pixels, however large it is', () => {
    const base = tinyBase();
    const { vaeDecoder, vaeEncoder, vaeFactor } = base;
    const decoding = (side: number) => vaeBytes(vaeDecoder, [1, base.latentChannels, side, side]);
    const encoding = (side: number) =>
      vaeBytes(vaeEncoder, [1, 3, side * vaeFactor, side * vaeFactor], vaeFactor);
    for (const bytes of [decoding, encoding]) {
      expect(bytes(1024)).toBe(bytes(128));
      expect(bytes(128)).toBeGreaterThan(bytes(96));
      // Written out, its attention alone would hold the square of 16,384 positions twice.
      expect(bytes(128)).toBeLessThan(2 ** 30);
    }
  });
});

it('the fused attention of a large picture gives what its export gives as it is written', async () => {
  const base = tinyBase();
  const { vaeEncoder, vaeDecoder, latentChannels, vaeFactor, scalingFactor, shiftFactor } = base;
  const vae = new Vae(base, threads);
  const side = 64 * vaeFactor;
  const fused = fusedVae(vaeDecoder, [1, latentChannels, 64, 64])!;
  expect(fused.nodes.some(({ opType }) => opType === 'MultiHeadAttention')).toBe(true);
  const picture = { ...planes(3, side, side), count: 1, data: normals(3, 'picture', 3 * side * side) };
  const latents = await vae.encode(picture);
  const run = async (model: string | Uint8Array, part: typeof vaeEncoder, input: Planes) => {
    const session = await createSession(model, { ...threads, externalDataDirectory: part.weights });
    const dims = [1, input.channels, input.height, input.width];
    const out = await session.run({ [part.input.name]: { type: 'float32', dims, data: input.data } });
    await session.release();
    return toFloats(out[part.output.name]!);
  };
  const moments = await run(encoderModel(vaeEncoder), vaeEncoder, picture);
  const means = moments.subarray(0, latentChannels * 64 * 64).map((x) => (x - shiftFactor) * scalingFactor);
  expect(difference(latents.data, means)).toBeLessThan(1e-5);
  const raw = { ...latents, data: latents.data.map((x) => x / scalingFactor + shiftFactor) };
  const drawn = await run(vaeDecoder.path, vaeDecoder, raw);
  expect(difference((await vae.decode(latents)).data, drawn)).toBeLessThan(1e-5);
  await vae.release();
});
