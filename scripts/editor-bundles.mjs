// Bundles the extension (dist/extension.js and the parts that it loads when they are needed) and its views
// (dist/views): what the editor loads.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, requireLines } from './bundle.mjs';
import { root } from './install.mjs';
import { oneStart } from './one-start.mjs';

const dist = join(root, 'dist');

/** Some dependencies also ask for the place they lie in. */
const banner = [
  ...requireLines,
  'const __filename = import.meta.filename;',
  'const __dirname = import.meta.dirname;',
].join('\n');

export async function buildEditor() {
  rmSync(join(dist, 'parts'), { recursive: true, force: true });
  const { metafile } = await bundle({
    entryPoints: { extension: 'src/extension.ts' },
    outdir: dist,
    splitting: true,
    chunkNames: 'parts/[name]-[hash]',
    sourcemap: true,
    minify: true,
    keepNames: true,
    metafile: true,
    banner: { js: banner },
    // Some packages' CommonJS finds its own parts only unbundled.
    mainFields: ['module', 'main'],
    // The editor gives the first; the others are native and belong to the agent, or speed up what works without them.
    external: ['vscode', 'onnxruntime-node', 'sharp', 'cpu-features', '*.node'],
  });
  await oneStart('dist/extension.js', metafile, banner);
  const views = readdirSync(join(root, 'webview')).filter((name) =>
    existsSync(join(root, 'webview', name, 'main.tsx')),
  );
  if (views.length === 0) return;
  await bundle({
    entryPoints: Object.fromEntries(views.map((name) => [name, `webview/${name}/main.tsx`])),
    outdir: join(dist, 'views'),
    platform: 'browser',
    target: 'es2022',
    sourcemap: true,
    minify: true,
    external: [],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    loader: { '.svg': 'text' },
  });
}
