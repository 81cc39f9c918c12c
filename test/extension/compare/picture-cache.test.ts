import { mkdtempSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PictureCache } from '../../../src/compare/picture-cache.ts';

describe('the cache of pictures', () => {
  test('gives up what was looked at least lately, and nothing that is shown', async () => {
    const cache = new PictureCache(join(mkdtempSync(join(tmpdir(), 'para-cache-')), 'pictures'), 25);
    for (const [i, key] of ['old', 'shown', 'new'].entries()) {
      const path = cache.put(key, new Uint8Array(10));
      utimesSync(path, new Date(i * 1000), new Date(i * 1000));
    }
    await cache.trim(new Set(['old']));
    expect(['old', 'shown', 'new'].map((key) => cache.has(key))).toEqual([true, false, true]);
    writeFileSync(cache.pathOf('later'), 'x');
    expect(cache.has('later')).toBe(true);
  });
});
