import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/** Bundles a program of the tests so that `node` runs it as a process of its own. @returns the bundle's path */
export function bundleProgram(source: URL, folder: string): string {
  const entry = fileURLToPath(source);
  const outfile = join(folder, `${entry.split('/').at(-1)!.replace(/\.ts$/, '')}.mjs`);
  buildSync({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  });
  return outfile;
}
