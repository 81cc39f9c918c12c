import { closeSync, createWriteStream, fsyncSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as tar from 'tar';
import yauzl from 'yauzl';

/** Unpacks a package or one of our own archives; `strip` leading folders are left out of the names. */
export async function unpackTar(
  archive: string,
  folder: string,
  strip: number,
  wanted: (path: string) => boolean = () => true,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  // tar itself refuses absolute names, names that lead out, and files behind links.
  await tar.extract({
    file: archive,
    cwd: folder,
    strip,
    filter: (path) => wanted(path.split('/').slice(strip).join('/')),
    strict: true,
  });
}

const isLibrary = /\.so(\.[0-9]+)*$/;

/**
 * Takes the shared libraries out of a wheel, each into the folder that `placeFor` names for it; files it names none
 * for stay in. Only the last part of a name is used.
 */
export async function unpackLibraries(
  wheel: string,
  placeFor: (path: string) => string | undefined,
): Promise<void> {
  const zip = await yauzl.openPromise(wheel);
  try {
    for await (const entry of zip.eachEntry()) {
      const folder = isLibrary.test(entry.fileName) ? placeFor(entry.fileName) : undefined;
      if (folder === undefined) continue;
      mkdirSync(folder, { recursive: true });
      const bytes = await zip.openReadStreamPromise(entry);
      await pipeline(bytes, createWriteStream(join(folder, basename(entry.fileName)), { mode: 0o600 }));
    }
  } finally {
    zip.close();
  }
}

/** Makes every file below a folder survive a power cut, before a rename shows them. */
export function syncTree(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const fd = openSync(join(entry.parentPath, entry.name), 'r');
    fsyncSync(fd);
    closeSync(fd);
  }
}
