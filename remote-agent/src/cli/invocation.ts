import { existsSync, realpathSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { shellLine } from '../hosts/quote.ts';

/**
 * A command line that runs `para` with these words from the current folder: by its name where a shell finds this very
 * program under it, else by its path.
 */
export function paraLine(...words: readonly string[]): string {
  const script = realpathSync(process.argv[1]!);
  // npm's scripts see a `para` that the shell which called npm does not.
  const folders = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((f) => !f.endsWith(join('node_modules', '.bin')));
  const named = folders.map((folder) => join(folder, 'para')).find((path) => existsSync(path));
  const known = named !== undefined && realpathSync(named) === script;
  return shellLine([...(known ? ['para'] : ['node', shortPath(script)]), ...words]);
}

/** A path as it is shortest from here. */
export function shortPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near.length < path.length ? near || '.' : path;
}
