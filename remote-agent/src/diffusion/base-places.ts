import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ParaError } from '../common/errors.ts';

/** Folder of the user's own data (`PARA_HOME`, else `~/.local/share/para-studio`). */
export function paraHome(): string {
  const set = process.env.PARA_HOME;
  return set ? resolve(set) : join(homedir(), '.local', 'share', 'para-studio');
}

/** Folder of adapters that go by a name: `$PARA_HOME/adapters`. */
export const adaptersFolder = (): string => join(paraHome(), 'adapters');

/** Folders in which bases are looked up by name, the user's own first. */
export function basePlaces(): string[] {
  const places = [join(paraHome(), 'bases')];
  const shipped = packageFolder();
  if (shipped) places.push(join(shipped, 'bases'));
  return places;
}

/** Folder of this package, wherever its code was bundled to. */
export function packageFolder(): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) {
      try {
        const { name } = JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string };
        if (name === '@para-studio/agent') return folder;
      } catch {
        // Not ours; look further up.
      }
    }
    const parent = dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
}

/** Whether a folder looks like a base at all. */
export function looksLikeBase(directory: string): boolean {
  return existsSync(join(directory, 'unet')) || existsSync(join(directory, 'model_index.json'));
}

/** The name of a base that is made of what is at a path: that of its file or folder, without what no name may have. */
export const baseNameOf = (path: string): string =>
  basename(path, '.safetensors')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+|-+$/g, '')
    .slice(0, 100);

/** Whether a folder holds a model as diffusers saves it (and no ONNX graphs). */
export const isDiffusersFolder = (path: string): boolean =>
  !existsSync(join(path, 'unet', 'model.onnx')) && existsSync(join(path, 'unet', 'config.json'));

/** Whether a path is that of a checkpoint in one file. */
export const isCheckpoint = (path: string): boolean => existsSync(path) && statSync(path).isFile();

/**
 * The folder of a base given by name (looked up in `basePlaces`) or by path.
 * @throws ParaError `base` naming the bases there are
 */
export function findBase(nameOrPath: string): string {
  const isPath = isAbsolute(nameOrPath) || nameOrPath.includes('/') || nameOrPath.includes(sep);
  if (!isPath && nameOrPath !== '.' && nameOrPath !== '..')
    for (const place of basePlaces()) {
      const directory = join(place, nameOrPath);
      if (nameOrPath !== '' && looksLikeBase(directory)) return directory;
    }
  const directory = resolve(nameOrPath);
  if (nameOrPath !== '' && existsSync(directory) && statSync(directory).isDirectory()) return directory;
  if (nameOrPath !== '' && isCheckpoint(directory))
    throw new ParaError('base', 'A file is no base yet', {
      where: directory,
      hint: `a checkpoint in one file becomes one by an import: para base import ${directory}`,
    });
  const known = baseFolders().map((b) => b.name);
  throw new ParaError('base', `There is no base "${nameOrPath}"`, {
    where: isPath ? directory : basePlaces().join(', '),
    hint:
      known.length > 0
        ? `known bases: ${known.join(', ')}; or give the path of a folder`
        : 'give the path of a folder',
  });
}

/** All bases found by name; a name in the user's own folder hides a shipped one. */
export function baseFolders(): { name: string; directory: string }[] {
  const found = new Map<string, string>();
  for (const place of basePlaces()) {
    let entries: string[];
    try {
      entries = readdirSync(place);
    } catch {
      continue; // the folder is made by the first import
    }
    for (const name of entries.sort())
      if (!name.startsWith('.') && !found.has(name) && looksLikeBase(join(place, name)))
        found.set(name, join(place, name));
  }
  return [...found].map(([name, directory]) => ({ name, directory }));
}
