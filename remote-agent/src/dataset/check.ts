import { basename } from 'node:path';
import { ParaError } from '../common/errors.ts';
import type { SpecPicture } from '../subject/train-spec.ts';
import { enlargement, largestEnlargement, type Size } from './crop.ts';
import { hashOfFile } from './picture-hash.ts';
import { readPicture } from './pictures.ts';
import { PictureProblems } from './problems.ts';

/**
 * Reads every picture once and tells its size after EXIF rotation, by content hash.
 * @param known sizes found earlier, by content hash: such pictures are not read again
 * @param neededFor the size that a picture of this size must cover
 * @throws ParaError `picture` with all problems of all pictures: missing, broken, changed since the run was made, too
 *   small by more than `largestEnlargement`
 */
export async function checkPictures(
  pictures: readonly SpecPicture[],
  known: (hash: string) => Size | undefined,
  neededFor: (original: Size) => Size,
): Promise<Map<string, Size>> {
  const problems = new PictureProblems();
  const sizes = new Map<string, Size>();
  for (const { file, sha256 } of pictures) {
    try {
      const size = sizes.get(sha256) ?? known(sha256) ?? (await sizeOf(file, sha256));
      sizes.set(sha256, size);
      refuseTooSmall(file, size, neededFor(size));
    } catch (cause) {
      problems.add(cause);
    }
  }
  problems.throwIfAny();
  return sizes;
}

async function sizeOf(file: string, sha256: string): Promise<Size> {
  if (hashOfFile(file) !== sha256)
    throw new ParaError('picture', `The picture ${basename(file)} was changed since the run was made`, {
      where: file,
      hint: 'put the earlier picture back, or start a new run',
    });
  const { width, height } = await readPicture(file);
  return { width, height };
}

function refuseTooSmall(file: string, size: Size, needed: Size): void {
  const factor = enlargement(size, needed);
  if (factor <= largestEnlargement) return;
  throw new ParaError(
    'picture',
    `The picture ${basename(file)} is too small: ${size.width} x ${size.height} pixels, and ${needed.width} x ${needed.height} are trained on`,
    { where: file, hint: 'use a larger picture, or lower training.resolution' },
  );
}
