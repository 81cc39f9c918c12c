import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { encodePng, fromPixels, readPicture, toPixels } from '../../src/dataset/pictures.ts';
import { pngText, withPngText } from '../../src/dataset/png-text.ts';

const folder = mkdtempSync(join(tmpdir(), 'para-pictures-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, bytes: Uint8Array) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};
/** 3 wide, 2 high; red at the top left, else blue. */
const rgb = Uint8Array.from([255, 0, 0, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255]);
const raw = { raw: { width: 3, height: 2, channels: 3 } } as const;

describe('a picture', () => {
  it('is turned as its EXIF orientation says', async () => {
    const path = file('turned.png', await sharp(rgb, raw).withMetadata({ orientation: 6 }).png().toBuffer());
    const { width, height, rgb: found } = await readPicture(path);
    expect([width, height]).toEqual([2, 3]);
    expect([...found.slice(3, 6)]).toEqual([255, 0, 0]);
  });

  it('is laid on white where it is transparent', async () => {
    const clear = await sharp({
      create: { width: 2, height: 2, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    })
      .png()
      .toBuffer();
    expect([...(await readPicture(file('clear.png', clear))).rgb]).toEqual(new Array(12).fill(255));
  });

  it('comes back from model pixels as it was', async () => {
    const picture = await readPicture(file('plain.png', await sharp(rgb, raw).png().toBuffer()));
    expect(fromPixels(toPixels(picture), 3, 2)).toEqual(picture);
  });

  it('is refused by name when it is cut off, no picture, animated or missing', async () => {
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
    const jpeg = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .jpeg()
      .toBuffer();
    const frames = await sharp(Buffer.concat([noise, noise.map((v) => 255 - v)]), {
      raw: { width: 64, height: 128, channels: 3, pageHeight: 64 },
    })
      .webp({ loop: 0 })
      .toBuffer();
    const cases: [string, string][] = [
      [file('cut.jpg', jpeg.subarray(0, jpeg.length / 2)), 'cut.jpg'],
      [file('none.png', new Uint8Array([1, 2, 3])), 'none.png'],
      [file('moving.webp', frames), 'moving.webp'],
      [join(folder, 'absent.png'), 'absent.png'],
    ];
    for (const [path, name] of cases) {
      const error = await readPicture(path).then(
        () => undefined,
        (cause: unknown) => cause,
      );
      expect(error, name).toBeInstanceOf(ParaError);
      expect((error as ParaError).message).toContain(name);
    }
  });
});

describe('texts in PNG files', () => {
  it('come back, also beyond Latin-1, and replace older ones', async () => {
    const png = await encodePng({ width: 3, height: 2, rgb });
    for (const text of ['a dog\nSteps: 3', 'ein Häschen 🐇']) {
      const twice = withPngText(withPngText(png, 'parameters', 'old'), 'parameters', text);
      expect(pngText(twice, 'parameters')).toBe(text);
      expect((await sharp(twice).metadata()).width).toBe(3);
    }
  });

  it('are refused in damaged files with a typed error, whatever byte is wrong', async () => {
    const png = withPngText(await encodePng({ width: 3, height: 2, rgb }), 'parameters', 'text');
    for (let i = 0; i < png.length; i++) {
      const broken = png.slice();
      broken[i] = broken[i]! ^ 0x55;
      expect(() => pngText(broken, 'parameters')).toThrow(ParaError);
      expect(() => pngText(png.slice(0, i), 'parameters')).toThrow(ParaError);
    }
  });
});
