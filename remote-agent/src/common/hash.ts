import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/**
 * Hash of a file in hex, read in parts.
 * @param size only its first bytes
 * @param before what is hashed before its first byte
 */
export async function hashFile(
  path: string,
  { algorithm = 'sha256', size = Number.POSITIVE_INFINITY, before = '' } = {},
): Promise<string> {
  const hash = createHash(algorithm).update(before);
  if (size > 0)
    for await (const part of createReadStream(path, { end: size - 1 })) hash.update(part as Buffer);
  return hash.digest('hex');
}
