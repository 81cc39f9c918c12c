import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { encodePng, fromPixels, readPicture, toPixels } from '../../src/dataset/pictures.ts';
import { crc32, pngText, withPngText } from '../../src/dataset/png-text.ts';

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

  it('with a wide-gamut profile gives the sRGB values of its colours', async () => {
    // Colours well within sRGB, written as Display P3 by the matrices and the transfer curve of CSS Color 4. Eight bits
    // tell them to 2; a reader that passes over the profile is off by more than 20.
    const colours = [
      [220, 80, 70],
      [60, 200, 90],
      [70, 90, 220],
      [128, 128, 128],
      [240, 230, 90],
      [200, 90, 160],
    ];
    const wide = colours.map(srgbToDisplayP3);
    expect(
      Math.max(...wide.flatMap((c, i) => c.map((v, k) => Math.abs(v - colours[i]![k]!)))),
    ).toBeGreaterThan(20);
    const size = { width: wide.length, height: 1 };
    const bare = await sharp(Uint8Array.from(wide.flat()), { raw: { ...size, channels: 3 } })
      .png()
      .toBuffer();
    const { icc } = await sharp(await sharp(bare).withIccProfile('p3').png().toBuffer()).metadata();
    const data = Buffer.concat([Buffer.from('Display P3\0\0'), deflateSync(icc!)]);
    const path = file('wide.png', withChunk(bare, 'iCCP', data));
    const { rgb: found } = await readPicture(path);
    for (const [i, value] of colours.flat().entries())
      expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(2);
  });

  it.each(['jpeg', 'webp', 'png'] as const)('that is grey is read as %s', async (format) => {
    const grey = await sharp(new Uint8Array(64).fill(77), { raw: { width: 8, height: 8, channels: 1 } })
      .toColourspace('b-w')
      .toFormat(format)
      .toBuffer();
    const { rgb: found } = await readPicture(file(`grey.${format}`, grey));
    expect(found).toHaveLength(192);
    for (const value of found) expect(Math.abs(value - 77)).toBeLessThanOrEqual(2);
  });

  it('is refused by name and reason when it is cut off, no picture, of another format or missing', async () => {
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
    const jpeg = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .jpeg()
      .toBuffer();
    const tiff = await sharp(rgb, raw).tiff().toBuffer();
    await expectRefused(file('cut.jpg', jpeg.subarray(0, jpeg.length / 2)), 'cut off');
    await expectRefused(file('none.png', new Uint8Array([1, 2, 3])), 'not a readable picture');
    await expectRefused(file('other.tiff', tiff), 'format tiff');
    await expectRefused(join(folder, 'absent.png'), 'does not exist');
  });

  it('is refused by name when it moves, whatever its format', async () => {
    const frame = Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => i);
    const two = Buffer.concat([frame, frame.map((v) => 255 - v)]);
    const frames = () => sharp(two, { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } });
    await expectRefused(file('moving.webp', await frames().webp({ loop: 0 }).toBuffer()), 'animated');
    await expectRefused(file('moving.gif', await frames().gif({ loop: 0 }).toBuffer()), 'format gif');
    const still = await sharp(rgb, raw).png().toBuffer();
    const path = file('moving.png', withChunk(still, 'acTL', Buffer.from([0, 0, 0, 2, 0, 0, 0, 0])));
    await expectRefused(path, 'animated');
  });

  it('is refused before it is decoded when it claims more pixels than any picture has', async () => {
    const png = await sharp(rgb, raw).png().toBuffer();
    const claims = withChunk(
      png,
      'IHDR',
      Buffer.from([0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30, 8, 2, 0, 0, 0]),
      true,
    );
    await expectRefused(file('bomb.png', claims), 'claims 30000 x 30000 pixels');
    const jpeg = await sharp(rgb, raw).jpeg().toBuffer();
    // The frame header (SOF0): marker, length, precision, then height and width.
    const at = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
    jpeg.writeUInt16BE(60000, at + 5);
    jpeg.writeUInt16BE(50000, at + 7);
    await expectRefused(file('bomb.jpg', jpeg), 'claims 50000 x 60000 pixels');
  });
});

/** A PNG with one more chunk after its header, or with another header. */
function withChunk(png: Uint8Array, type: string, data: Uint8Array, replace = false): Uint8Array {
  const body = Buffer.concat([Buffer.from(type), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  const headerEnd = 33;
  return Buffer.concat([png.slice(0, replace ? 8 : headerEnd), length, body, sum, png.slice(headerEnd)]);
}

async function expectRefused(path: string, reason: string): Promise<void> {
  const error = await readPicture(path).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error, path).toBeInstanceOf(ParaError);
  expect(error).toMatchObject({ code: 'picture', where: path });
  expect((error as ParaError).message).toContain(basename(path));
  expect((error as ParaError).message).toContain(reason);
}

/** 8-bit sRGB as 8-bit Display P3. */
function srgbToDisplayP3(colour: readonly number[]): number[] {
  const linear = colour.map((v) => {
    const x = v / 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  });
  const times = (m: readonly (readonly number[])[], v: readonly number[]) =>
    m.map((row) => row.reduce((sum, x, i) => sum + x * v[i]!, 0));
  const srgbToXyz = [
    [506752 / 1228815, 87881 / 245763, 12673 / 70218],
    [87098 / 409605, 175762 / 245763, 12673 / 175545],
    [7918 / 409605, 87881 / 737289, 1001167 / 1053270],
  ];
  const xyzToP3 = [
    [446124 / 178915, -333277 / 357830, -72051 / 178915],
    [-14852 / 17905, 63121 / 35810, 423 / 17905],
    [11844 / 330415, -50337 / 660830, 316169 / 330415],
  ];
  return times(xyzToP3, times(srgbToXyz, linear)).map((x) =>
    Math.round(255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055)),
  );
}

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
