import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { inspectPicture } from '../../../src/subject/picture.ts';

const dog = readFileSync(join(import.meta.dirname, '../../../examples/dog/dog-1.png'));
const made = sharp({ create: { width: 40, height: 30, channels: 3, background: '#a05030' } });
const cut = (bytes: Uint8Array) => bytes.subarray(0, Math.floor(bytes.length * 0.9));

describe('a picture, judged without decoding it', () => {
  it('has the size that it has after EXIF rotation', async () => {
    expect(await inspectPicture(dog)).toEqual({ size: { width: 256, height: 256 } });
    const turned = await made.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer();
    expect(await inspectPicture(turned)).toEqual({ size: { width: 30, height: 40 } });
    expect(await inspectPicture(await made.clone().webp().toBuffer())).toEqual({
      size: { width: 40, height: 30 },
    });
  });

  it('is known to be cut off in each format', async () => {
    const noisy = sharp(dog);
    for (const bytes of [
      dog,
      await noisy.clone().jpeg().toBuffer(),
      await noisy.clone().webp({ lossless: true }).toBuffer(),
    ]) {
      expect((await inspectPicture(bytes)).fault).toBeUndefined();
      expect((await inspectPicture(cut(bytes))).fault).toBe('cut-off');
    }
  });

  it('is no picture, or one of another format', async () => {
    expect((await inspectPicture(new TextEncoder().encode('no picture at all'))).fault).toBe('no-picture');
    expect((await inspectPicture(await made.clone().gif().toBuffer())).fault).toBe('other-format');
    expect((await inspectPicture(new Uint8Array())).fault).toBe('no-picture');
  });
});
