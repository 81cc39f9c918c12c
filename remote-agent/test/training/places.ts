import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** Gives new empty folders, which go when the test file ends. @param name begins the name of the folder of them all */
export function placesFor(name: string): () => string {
  const work = mkdtempSync(join(tmpdir(), `para-${name}-`));
  afterAll(() => rmSync(work, { recursive: true, force: true }));
  let count = 0;
  return () => {
    const directory = join(work, String(count++));
    mkdirSync(directory);
    return directory;
  };
}
