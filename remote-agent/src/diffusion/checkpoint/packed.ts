import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ParaError } from '../../common/errors.ts';
import { packageFolder } from '../base-places.ts';

/** A file of `templates`, as it was before it was packed. @throws ParaError `base` where the installation lacks it */
export function readPacked(name: string): Buffer {
  const path = join(packageFolder() ?? '', 'templates', `${name}.gz`);
  let packed: Uint8Array;
  try {
    packed = readFileSync(path);
  } catch (cause) {
    throw new ParaError('base', 'A graph template or vocabulary is missing from this installation', {
      where: path,
      hint: 'install the agent again',
      cause,
    });
  }
  return gunzipSync(packed);
}
