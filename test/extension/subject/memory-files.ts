import type { Files } from '../../../src/subject/files.ts';

/** Files by their uri path, held in memory; a folder is there when something lies in it. */
export function memoryFiles(contents: Readonly<Record<string, Uint8Array | string>>): Files {
  const paths = Object.keys(contents);
  return {
    kind: async (path) =>
      path in contents
        ? 'file'
        : path === '/' || paths.some((one) => one.startsWith(`${path}/`))
          ? 'folder'
          : undefined,
    list: async (path) => {
      const below = paths.filter((one) => one.startsWith(path === '/' ? '/' : `${path}/`));
      const names = below.map((one) => one.slice(path === '/' ? 1 : path.length + 1));
      const unique = new Map(names.map((name) => [name.split('/')[0]!, name.includes('/')]));
      return [...unique].map(([name, folder]) => ({ name, folder }));
    },
    read: async (path) => {
      const content = contents[path];
      if (content === undefined) throw new Error(`There is no ${path}`);
      return typeof content === 'string' ? new TextEncoder().encode(content) : content;
    },
    stamp: async (path) => String(contents[path]?.length),
  };
}
