import { existsSync } from 'node:fs';
import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../../remote-agent/src/common/files.ts';

/** Pictures by what they were made from, in a folder that does not grow beyond a size: the least used go first. */
export class PictureCache {
  readonly #there = new Set<string>();

  /** @param mostBytes that all pictures together may have after `trim` */
  constructor(
    readonly folder: string,
    readonly mostBytes: number,
  ) {
    makeFolder(folder);
  }

  pathOf(key: string): string {
    return join(this.folder, `${key}.png`);
  }

  has(key: string): boolean {
    if (this.#there.has(key)) return true;
    if (!existsSync(this.pathOf(key))) return false;
    this.#there.add(key);
    const now = new Date();
    utimes(this.pathOf(key), now, now).catch(() => {});
    return true;
  }

  /** @throws ParaError `disk` */
  put(key: string, png: Uint8Array): string {
    writeFileAtomic(this.pathOf(key), png);
    this.#there.add(key);
    return this.pathOf(key);
  }

  async remove(key: string): Promise<void> {
    this.#there.delete(key);
    await rm(this.pathOf(key), { force: true });
  }

  /** Removes what was used least lately until the rest is small enough; those of `kept` stay. */
  async trim(kept: ReadonlySet<string>): Promise<void> {
    const names = (await readdir(this.folder)).filter((name) => name.endsWith('.png'));
    const files = await Promise.all(
      names.map(async (name) => {
        const { size, mtimeMs } = await stat(join(this.folder, name)).catch(() => ({ size: 0, mtimeMs: 0 }));
        return { key: name.slice(0, -4), size, mtimeMs };
      }),
    );
    let total = files.reduce((sum, { size }) => sum + size, 0);
    for (const { key, size } of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
      if (total <= this.mostBytes) return;
      if (kept.has(key)) continue;
      await this.remove(key);
      total -= size;
    }
  }
}
