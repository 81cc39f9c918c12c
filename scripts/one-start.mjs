// Splitting leaves what is loaded at the start in dozens of small files, and opening files is most of what the start
// takes: they become one.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { root } from './install.mjs';

/** Outputs that an entry point imports before it runs, itself among them; `metafile`: esbuild's. */
function loadedWith(entry, { outputs }) {
  const found = new Set();
  const visit = (path) => {
    if (found.has(path)) return;
    found.add(path);
    for (const { kind, path: next, external } of outputs[path].imports)
      if (kind === 'import-statement' && !external) visit(next);
  };
  visit(entry);
  return [...found];
}

/**
 * Puts everything that an entry point loads at the start into `parts/start.js`. Parts that are loaded later find their
 * shared code by the names it had: those files now only point there.
 * @param entry path of the entry point's output
 * @param banner lines that stand at the head of every output
 */
export async function oneStart(entry, metafile, banner) {
  const { build } = await import('esbuild');
  const absolute = (path) => resolve(root, path);
  const parts = join(dirname(absolute(entry)), 'parts');
  const from = (path) => {
    const way = relative(parts, absolute(path));
    return JSON.stringify(way.startsWith('.') ? way : `./${way}`);
  };
  const shared = loadedWith(entry, metafile).filter((path) => path !== entry);
  const names = (path, list) => metafile.outputs[path].exports.map(list).join(', ');
  const lines = shared.map(
    (path, i) => `export { ${names(path, (name) => `${name} as s${i}_${name}`)} } from ${from(path)};`,
  );
  const { outputFiles } = await build({
    absWorkingDir: root,
    stdin: { contents: [`export * from ${from(entry)};`, ...lines].join('\n'), resolveDir: parts },
    outfile: join(parts, 'start.js'),
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20', packages: 'external' },
    ...{ sourcemap: true, minify: true, banner: { js: banner }, write: false, logLevel: 'warning' },
    plugins: [
      {
        name: 'parts',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
            if (kind !== 'dynamic-import') return undefined;
            return { path: `./${basename(join(resolveDir, path))}`, external: true };
          });
          // One head is enough; the lines stay, for the source map's sake.
          onLoad({ filter: /\.js$/ }, ({ path }) => ({
            contents: readFileSync(path, 'utf8').replace(banner, banner.replace(/.+/g, '')),
            loader: 'js',
          }));
        },
      },
    ],
  });
  for (const { path, contents } of outputFiles) writeFileSync(path, contents);
  writeFileSync(absolute(entry), `export * from "./parts/start.js";\n`);
  rmSync(`${absolute(entry)}.map`);
  for (const [i, path] of shared.entries()) {
    writeFileSync(
      absolute(path),
      `export { ${names(path, (name) => `s${i}_${name} as ${name}`)} } from './start.js';\n`,
    );
    rmSync(`${absolute(path)}.map`);
  }
}
