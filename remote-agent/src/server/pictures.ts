import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../common/files.ts';
import { paraHome } from '../diffusion/base-places.ts';

/** Drawn pictures wait here to be fetched; a client that comes back after this time draws them again. In ms. */
const keptFor = 24 * 3600 * 1000;

const folder = () => join(paraHome(), 'drawn');

/** Where a drawn picture or preview lies by its hash. */
export const picturePath = (sha256: string): string => join(folder(), sha256);

/** Keeps a picture for its client under its hash. */
export function keepPicture(png: Uint8Array): { sha256: string; bytes: number } {
  const sha256 = createHash('sha256').update(png).digest('hex');
  writeFileAtomic(picturePath(sha256), png);
  return { sha256, bytes: png.length };
}

/** Forgets the pictures that nobody fetched in time, or fetched long ago. */
export function removeOldPictures(now = Date.now()): void {
  if (!existsSync(folder())) return;
  for (const name of readdirSync(folder())) {
    const path = join(folder(), name);
    try {
      if (now - statSync(path).mtimeMs > keptFor) rmSync(path, { force: true });
    } catch {
      // Another generator of this host took it away.
    }
  }
}
