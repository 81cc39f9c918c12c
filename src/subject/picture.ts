import type { Size } from '../../remote-agent/src/dataset/crop.ts';

/** Why a file is no picture to train on. */
export type PictureFault = 'no-picture' | 'other-format' | 'cut-off' | 'animated';

/** What a picture's bytes tell without decoding it. */
export type PictureFacts =
  | { readonly size: Size; readonly fault?: undefined }
  | { readonly size?: Size; readonly fault: PictureFault };

/** Judges a picture by its header, its structure and its end; the size is that after EXIF rotation. */
export async function inspectPicture(bytes: Uint8Array): Promise<PictureFacts> {
  const { imageSize } = await import('image-size');
  let found: ReturnType<typeof imageSize>;
  try {
    found = imageSize(bytes);
  } catch {
    return { fault: 'no-picture' };
  }
  const { width, height, type, orientation = 1 } = found;
  const size = orientation > 4 ? { width: height, height: width } : { width, height };
  const judge = { png: pngFault, jpg: jpegFault, webp: webpFault }[type ?? ''];
  const fault = judge ? judge(bytes) : 'other-format';
  return fault ? { size, fault } : { size };
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const tag = (bytes: Uint8Array, at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));

/** A PNG is whole when its chunks lead to IEND. */
function pngFault(bytes: Uint8Array): PictureFault | undefined {
  const data = view(bytes);
  for (let at = 8; at + 12 <= bytes.length; at += 12 + data.getUint32(at)) {
    const kind = tag(bytes, at + 4);
    if (kind === 'acTL') return 'animated';
    if (kind === 'IEND') return undefined;
  }
  return 'cut-off';
}

/** A JPEG is whole when its segments lead to picture data and an end marker comes after that. */
function jpegFault(bytes: Uint8Array): PictureFault | undefined {
  const data = view(bytes);
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) at++;
    else if (marker === 0xda) {
      // Thumbnails in the header have end markers of their own; only one after the data counts.
      for (let end = bytes.length - 2; end > at; end--)
        if (bytes[end] === 0xff && bytes[end + 1] === 0xd9) return undefined;
      return 'cut-off';
    } else at += 2 + data.getUint16(at + 2);
  }
  return 'cut-off';
}

/** A WebP is whole when the file is as long as it says. */
function webpFault(bytes: Uint8Array): PictureFault | undefined {
  if (bytes.length < 12 || view(bytes).getUint32(4, true) + 8 > bytes.length) return 'cut-off';
  const animated = tag(bytes, 12) === 'VP8X' && (bytes[20]! & 2) !== 0;
  return animated ? 'animated' : undefined;
}
