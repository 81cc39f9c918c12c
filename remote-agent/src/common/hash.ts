import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

interface HashOptions {
  readonly algorithm?: string;
  readonly size?: number;
  readonly before?: string;
  readonly signal?: AbortSignal;
}

/**
 * Hash of a file in hex, read in parts.
 * @param size only its first bytes
 * @param before what is hashed before its first byte
 * @param signal ends it with an `AbortError`
 */
export async function hashFile(
  path: string,
  { algorithm = 'sha256', size = Number.POSITIVE_INFINITY, before = '', signal }: HashOptions = {},
): Promise<string> {
  const hash = createHash(algorithm).update(before);
  if (size > 0)
    for await (const part of createReadStream(path, { end: size - 1, ...(signal ? { signal } : {}) }))
      hash.update(part as Buffer);
  return hash.digest('hex');
}
