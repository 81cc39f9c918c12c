import { createHash } from 'node:crypto';
import { readFileSync, readSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { readingFile, writeFileAtomic } from '../common/files.ts';
import { paraHome } from './base-places.ts';

interface Known {
  size: number;
  modified: number;
  sha256: string;
}

/** What of `WeightFiles` a hash is made of. */
interface Elsewhere {
  readonly files: readonly { readonly path: string; readonly fingerprint: string }[];
  readonly graphs: Readonly<Record<string, string>>;
}

/**
 * Content hash of a base: SHA-256 over the lines `path<TAB>sha256<LF>` of its files, paths relative to `directory`
 * with forward slashes, sorted. Digests of large files are remembered by size and modification time.
 * @param elsewhere files that are not the base's own, for which their fingerprints stand, whatever their names; and
 *   graphs that point into them, by their digest: the digest that stands for them
 */
export function hashFiles(
  directory: string,
  files: readonly string[],
  elsewhere: Elsewhere = { files: [], graphs: {} },
): string {
  const cache = new HashCache();
  const fingerprints = new Map(elsewhere.files.map(({ path, fingerprint }) => [path, fingerprint]));
  const lines = files
    .map((file) => {
      const known = fingerprints.get(file);
      if (known !== undefined) return [known, known] as const;
      const digest = cache.digest(file);
      const path = relative(directory, file).replaceAll('\\', '/');
      return [path, elsewhere.graphs[digest] ?? digest] as const;
    })
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  cache.save();
  const hash = createHash('sha256');
  for (const [path, digest] of lines) hash.update(`${path}\t${digest}\n`);
  return hash.digest('hex');
}

/** SHA-256 of a file in blocks, whatever its size. */
export function fileDigest(path: string): string {
  const hash = createHash('sha256');
  const block = Buffer.allocUnsafe(1 << 22);
  return readingFile(path, (fd) => {
    for (;;) {
      const got = readSync(fd, block, 0, block.length, null);
      if (got === 0) return hash.digest('hex');
      hash.update(block.subarray(0, got));
    }
  });
}

/** Below this size reading the file again is quicker than keeping its digest. */
const worthKeeping = 1 << 26;

class HashCache {
  readonly #path = join(paraHome(), 'cache', 'base-hashes.json');
  #known: Record<string, Known> | undefined;
  #changed = false;

  digest(path: string): string {
    const { size, mtimeMs } = statSync(path);
    if (size < worthKeeping) return fileDigest(path);
    this.#known ??= this.#load();
    const known = Object.hasOwn(this.#known, path) ? this.#known[path] : undefined;
    if (known && known.size === size && known.modified === mtimeMs) return known.sha256;
    const sha256 = fileDigest(path);
    this.#known[path] = { size, modified: mtimeMs, sha256 };
    this.#changed = true;
    return sha256;
  }

  #load(): Record<string, Known> {
    try {
      const json: unknown = JSON.parse(readFileSync(this.#path, 'utf8'));
      return json && typeof json === 'object' ? (json as Record<string, Known>) : {};
    } catch {
      return {}; // absent or damaged: it is only a cache
    }
  }

  save(): void {
    if (!this.#changed) return;
    try {
      writeFileAtomic(this.#path, JSON.stringify(this.#known));
    } catch {
      // A home that cannot be written costs time, nothing else.
    }
  }
}
