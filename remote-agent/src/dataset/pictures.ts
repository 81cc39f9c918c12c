import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import sharp, { type Metadata } from 'sharp';
import { ParaError } from '../common/errors.ts';
import type { Cut } from './crop.ts';
import { isAnimatedPng } from './png-text.ts';

/** Pictures larger than this many pixels are refused before they are decoded. */
export const pixelLimit = 100_000_000;

/** Transparent parts are laid on this colour unless another is given. */
const white = '#ffffff';

/** A decoded picture: 8-bit sRGB, rows from the top, three bytes a pixel. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/**
 * Decodes a PNG, JPEG or WebP: EXIF rotation applied, colours converted to sRGB, transparency laid on `background`
 * (#rrggbb).
 * @throws ParaError `picture` for a broken, animated, oversized or unsupported file, by name
 */
export async function readPicture(path: string, background = white): Promise<Picture> {
  const name = basename(path);
  const fail = (what: string, hint: string, cause?: unknown) =>
    new ParaError('picture', `The picture ${name} ${what}`, { where: path, hint, cause });
  let meta: Metadata;
  try {
    // Reads the header alone; what it claims is judged below.
    meta = await sharp(path, { limitInputPixels: false }).metadata();
  } catch (cause) {
    const missing = String(cause).includes('missing');
    throw missing
      ? fail('does not exist', 'check the path', cause)
      : fail('is not a readable picture', 'open it in a viewer and save it again', cause);
  }
  if (!['png', 'jpeg', 'webp'].includes(meta.format ?? ''))
    throw fail(`is of the format ${meta.format ?? 'unknown'}`, 'save it as PNG, JPEG or WebP');
  if ((meta.pages ?? 1) > 1 || (meta.format === 'png' && isAnimatedPng(readFileSync(path))))
    throw fail('is animated', 'save one of its frames as a still picture');
  if (meta.width * meta.height > pixelLimit)
    throw fail(`claims ${meta.width} x ${meta.height} pixels`, 'make it smaller than 100 megapixels');
  try {
    const { data, info } = await sharp(path, { limitInputPixels: pixelLimit, failOn: 'warning' })
      .rotate()
      .flatten({ background })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const rgb =
      info.channels === 3
        ? new Uint8Array(data)
        : Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)]!);
    return { width: info.width, height: info.height, rgb };
  } catch (cause) {
    throw fail('is damaged or cut off', 'copy or download it again', cause);
  }
}

/** Scales a picture to exactly this size (Lanczos); its shape follows. */
async function scaleTo(picture: Picture, width: number, height: number): Promise<Picture> {
  if (picture.width === width && picture.height === height) return picture;
  const { data } = await sharp(picture.rgb, {
    raw: { width: picture.width, height: picture.height, channels: 3 },
  })
    .resize(width, height, { fit: 'fill', kernel: 'lanczos3' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width, height, rgb: new Uint8Array(data) };
}

/** Scales a picture and cuts a part out of it, as `cut` says. */
export async function cutOut(picture: Picture, cut: Cut): Promise<Picture> {
  const { left, top, mirrored } = cut;
  const { width, height } = cut.size;
  const whole = await scaleTo(picture, cut.scaled.width, cut.scaled.height);
  if (whole.width === width && whole.height === height && !mirrored) return whole;
  const rgb = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = ((top + y) * whole.width + left + (mirrored ? width - 1 - x : x)) * 3;
      rgb.set(whole.rgb.subarray(from, from + 3), (y * width + x) * 3);
    }
  return { width, height, rgb };
}

/** Enlarges by a whole factor with smooth edges, for showing small pictures. */
export async function enlarge(picture: Picture, factor: number): Promise<Picture> {
  return scaleTo(picture, picture.width * factor, picture.height * factor);
}

/** Pixels as f32[3, height, width] in [-1, 1]. */
export function toPixels(picture: Picture): Float32Array {
  const { width, height, rgb } = picture;
  const out = new Float32Array(3 * width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 3;
      for (let c = 0; c < 3; c++) out[(c * height + y) * width + x] = rgb[from + c]! / 127.5 - 1;
    }
  return out;
}

/** A picture from f32[3, height, width] in [-1, 1]; values outside are clamped. */
export function fromPixels(pixels: Float32Array, width: number, height: number): Picture {
  const rgb = new Uint8Array(3 * width * height);
  const plane = width * height;
  for (let i = 0; i < plane; i++)
    for (let c = 0; c < 3; c++)
      rgb[i * 3 + c] = Math.min(255, Math.max(0, Math.round((pixels[c * plane + i]! + 1) * 127.5)));
  return { width, height, rgb };
}

/** Encodes as PNG; the same bytes for the same picture. */
export async function encodePng(picture: Picture): Promise<Uint8Array> {
  const { width, height, rgb } = picture;
  return new Uint8Array(
    await sharp(rgb, { raw: { width, height, channels: 3 } })
      .png({ compressionLevel: 9 })
      .toBuffer(),
  );
}

/** The pixels of a PNG file. @throws ParaError `picture` where the bytes are none */
export async function decodePng(bytes: Uint8Array): Promise<Picture> {
  try {
    const { data, info } = await sharp(bytes).removeAlpha().toColourspace('srgb').raw().toBuffer({
      resolveWithObject: true,
    });
    return { width: info.width, height: info.height, rgb: new Uint8Array(data) };
  } catch (cause) {
    throw new ParaError('picture', 'A picture that was drawn cannot be read', { cause });
  }
}

/** Draws SVG text over nothing: an SVG of the given size becomes a picture. */
export async function renderSvg(svg: string): Promise<Picture> {
  const { data, info } = await sharp(Buffer.from(svg))
    .flatten({ background: white })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgb: new Uint8Array(data) };
}
