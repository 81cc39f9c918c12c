import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { ParaError } from '../common/errors.ts';

/** SHA-256 of a file's bytes, as hex. @throws ParaError `picture` when it cannot be read */
export function hashOfFile(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch (cause) {
    throw new ParaError('picture', `The picture ${basename(path)} cannot be read`, {
      where: path,
      hint: 'check the path',
      cause,
    });
  }
}
