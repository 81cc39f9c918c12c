import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { looksLikeBase } from '../../remote-agent/src/diffusion/base-places.ts';
import type { KnownBase } from './library.ts';

/** The bases of folders on this machine, of which an earlier one hides the same name in a later one. */
export function basesIn(places: readonly string[]): KnownBase[] {
  const found = new Map<string, KnownBase>();
  for (const place of places.filter((folder) => existsSync(folder)))
    for (const name of readdirSync(place).sort())
      if (!found.has(name) && looksLikeBase(join(place, name)))
        found.set(name, { name, directory: join(place, name) });
  return [...found.values()];
}
