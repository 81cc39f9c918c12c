import sharp from 'sharp';
import { centreCut } from './crop.ts';
import { cutOut, type Picture } from './pictures.ts';

/** Side of a thumbnail in pixels, and the most characters that its data URI may have. */
const side = 128;
const limit = 16_384;

/**
 * The middle of a picture as a small JPEG in a data URI of at most 16 KB, as `modelspec.thumbnail` holds it. The same
 * picture gives the same bytes; small pictures are not made larger.
 */
export async function thumbnail(picture: Picture): Promise<string> {
  const edge = Math.min(side, picture.width, picture.height);
  const { width, height, rgb } = await cutOut(picture, centreCut(picture, { width: edge, height: edge }));
  for (let quality = 85; ; quality -= 15) {
    const jpeg = await sharp(rgb, { raw: { width, height, channels: 3 } })
      .jpeg({ quality })
      .toBuffer();
    const uri = `data:image/jpeg;base64,${jpeg.toString('base64')}`;
    // The last quality makes about 3 KB of pure noise.
    if (uri.length <= limit || quality <= 10) return uri;
  }
}
