import { ParaError } from '../common/errors.ts';

const signature = [137, 80, 78, 71, 13, 10, 26, 10];

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

/** CRC-32 of PNG chunks (ISO 3309). */
export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const b of bytes) c = crcTable[(c ^ b) & 255]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

/** The chunks of a PNG file. @throws ParaError `picture` when it is no PNG, cut off or damaged */
function chunksOf(bytes: Uint8Array, where: string): Chunk[] {
  const fail = (what: string) =>
    new ParaError('picture', `The PNG file ${what}`, { where, hint: 'copy or make the picture again' });
  if (signature.some((v, i) => bytes[i] !== v)) throw fail('does not start as one');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Chunk[] = [];
  let at = 8;
  while (at < bytes.length) {
    if (at + 12 > bytes.length) throw fail('is cut off');
    const length = view.getUint32(at);
    if (length > bytes.length - at - 12) throw fail('is cut off');
    const body = bytes.subarray(at + 4, at + 8 + length);
    if (crc32(body) !== view.getUint32(at + 8 + length)) throw fail('is damaged (a checksum is wrong)');
    const type = String.fromCharCode(...body.subarray(0, 4));
    chunks.push({ type, data: body.subarray(4) });
    if (type === 'IEND') return chunks;
    at += 12 + length;
  }
  throw fail('is cut off');
}

function chunkBytes(type: string, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(12 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  out.set(
    [...type].map((c) => c.charCodeAt(0)),
    4,
  );
  out.set(data, 8);
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)));
  return out;
}

/**
 * Adds a text under `keyword` before the picture data: tEXt where Latin-1 holds it, else iTXt in UTF-8 (PNG
 * specification, 11.3.3). An older text under the same keyword is replaced.
 */
export function withPngText(png: Uint8Array, keyword: string, text: string): Uint8Array {
  const latin = [...text].every((c) => c.codePointAt(0)! < 256);
  const encoder = new TextEncoder();
  const data = latin
    ? Uint8Array.from([...keyword, '\0', ...text], (c) => c.charCodeAt(0))
    : new Uint8Array([...encoder.encode(keyword), 0, 0, 0, 0, 0, ...encoder.encode(text)]);
  const kept = chunksOf(png, 'PNG').filter((c) => textOf(c)?.[0] !== keyword);
  const parts: Uint8Array[] = [Uint8Array.from(signature)];
  for (const chunk of kept) {
    parts.push(chunkBytes(chunk.type, chunk.data));
    if (chunk.type === 'IHDR') parts.push(chunkBytes(latin ? 'tEXt' : 'iTXt', data));
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** Whether a PNG file holds an animation (a chunk acTL before the picture data). Reads chunk headers only. */
export function isAnimatedPng(png: Uint8Array): boolean {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let at = 8; at + 8 <= png.length; at += 12 + view.getUint32(at)) {
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    if (type === 'acTL') return true;
    if (type === 'IDAT') return false;
  }
  return false;
}

function textOf(chunk: Chunk): [string, string] | undefined {
  const end = chunk.data.indexOf(0);
  if (end < 0) return undefined;
  const keyword = Buffer.from(chunk.data.subarray(0, end)).toString('latin1');
  if (chunk.type === 'tEXt') return [keyword, Buffer.from(chunk.data.subarray(end + 1)).toString('latin1')];
  if (chunk.type !== 'iTXt' || chunk.data[end + 1] !== 0) return undefined;
  const language = chunk.data.indexOf(0, end + 3);
  const translated = chunk.data.indexOf(0, language + 1);
  if (language < 0 || translated < 0) return undefined;
  return [keyword, Buffer.from(chunk.data.subarray(translated + 1)).toString('utf8')];
}

/** The text under `keyword`, or `undefined`. @throws ParaError `picture` for a broken PNG */
export function pngText(png: Uint8Array, keyword: string, where = 'PNG'): string | undefined {
  for (const chunk of chunksOf(png, where)) {
    const found = textOf(chunk);
    if (found?.[0] === keyword) return found[1];
  }
  return undefined;
}
