// Splitting leaves what is loaded at the start in dozens of small files, and opening files is most of what the start
// takes: they become one.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
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

/** What outputs import of a module, by its names there. */
function namesFrom(module, paths) {
  const statements = new RegExp(`import\\s*\\{([^}]*)\\}\\s*from\\s*"${module}"`, 'g');
  const texts = paths.map((path) => readFileSync(resolve(root, path), 'utf8'));
  const lists = texts.flatMap((text) => [...text.matchAll(statements)].map(([, names]) => names));
  return new Set(lists.flatMap((names) => names.split(',')).map((name) => name.trim().split(/\s+as\s+/)[0]));
}

/** Begins the file: a mark of when, as its end sets one, and what ES modules say of their place, in CommonJS. */
const head = [
  `performance.mark('para-studio/load');`,
  `const __place = require('node:url').pathToFileURL(__filename).href;`,
].join('\n');

/**
 * Puts everything that an entry point loads at the start into one file beside it, as CommonJS: the editor resolves each
 * import of an ES module in a thread of its own, and waits. Parts that are loaded later find their shared code by the
 * names it had: those files now only point there.
 * @param entry path of the entry point's output, which is replaced by `NAME.cjs`
 * @param banner lines that stand at the head of every output
 */
export async function oneStart(entry, metafile, banner) {
  const { build } = await import('esbuild');
  const absolute = (path) => resolve(root, path);
  const start = absolute(entry).replace(/\.js$/, '.cjs');
  const from = (path) => JSON.stringify(`./${relative(dirname(start), absolute(path))}`);
  const shared = loadedWith(entry, metafile).filter((path) => path !== entry);
  const names = (path, list) => metafile.outputs[path].exports.map(list).join(', ');
  const lines = shared.map(
    (path, i) => `export { ${names(path, (name) => `${name} as s${i}_${name}`)} } from ${from(path)};`,
  );
  const { outputFiles } = await build({
    absWorkingDir: root,
    stdin: { contents: [`export * from ${from(entry)};`, ...lines].join('\n'), resolveDir: dirname(start) },
    outfile: start,
    ...{ bundle: true, platform: 'node', format: 'cjs', target: 'node20', packages: 'external' },
    ...{
      sourcemap: true,
      minify: true,
      banner: { js: head },
      footer: { js: `performance.mark('para-studio/loaded');` },
      define: { 'import.meta.url': '__place' },
    },
    ...{ write: false, logLevel: 'warning' },
    plugins: [
      {
        name: 'parts',
        setup({ onResolve, onLoad }) {
          // The editor looks at the disk each time that its own module is asked for.
          onResolve({ filter: /^vscode$/ }, ({ path, namespace }) =>
            namespace === 'once' ? { path, external: true } : { path, namespace: 'once' },
          );
          onLoad({ filter: /.*/, namespace: 'once' }, ({ path }) => ({
            contents: `export const { ${[...namesFrom(path, [entry, ...shared])].join(', ')} } = require('${path}');`,
          }));
          onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
            if (kind !== 'dynamic-import') return undefined;
            return { path: `./${relative(dirname(start), join(resolveDir, path))}`, external: true };
          });
          // CommonJS has what the lines of an ES module make; empty ones stay, for the source map's sake.
          onLoad({ filter: /\.js$/ }, ({ path }) => ({
            contents: readFileSync(path, 'utf8').replace(banner, banner.replace(/.+/g, '')),
            loader: 'js',
          }));
        },
      },
    ],
  });
  for (const { path, contents } of outputFiles) writeFileSync(path, contents);
  for (const path of [absolute(entry), ...shared.map(absolute)]) rmSync(`${path}.map`);
  rmSync(absolute(entry));
  for (const [i, path] of shared.entries()) {
    const way = JSON.stringify(relative(dirname(absolute(path)), start));
    writeFileSync(
      absolute(path),
      `export { ${names(path, (name) => `s${i}_${name} as ${name}`)} } from ${way};\n`,
    );
  }
}
