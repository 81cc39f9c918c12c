import { createHash } from 'node:crypto';
import type { Files } from './files.ts';
import { inspectPicture, type PictureFacts } from './picture.ts';

/** A picture's facts, with the hash of its content that random crops follow from. */
export type InspectedPicture = PictureFacts & { readonly sha256: string };

/** Facts of pictures, each read again only when the file changed. */
export class PictureShelf {
  readonly #known = new Map<string, { stamp: string; facts: Promise<InspectedPicture> }>();

  /** @throws Error when the file cannot be read */
  async inspect(files: Files, path: string): Promise<InspectedPicture> {
    const stamp = await files.stamp(path);
    const known = this.#known.get(path);
    if (known?.stamp === stamp) return known.facts;
    const facts = files.read(path).then(async (bytes) => ({
      ...(await inspectPicture(bytes)),
      sha256: createHash('sha256').update(bytes).digest('hex'),
    }));
    this.#known.set(path, { stamp, facts });
    facts.catch(() => this.#known.delete(path));
    return facts;
  }
}
