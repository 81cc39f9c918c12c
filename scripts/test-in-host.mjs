// `npm run test:host [-- --desktop]`: runs the tests of test/editor/in-host in the extension host, in the VS Code of the
// test host; with --desktop in a desktop VS Code, which @vscode/test-electron downloads.
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { bundle } from './bundle.mjs';
import { root } from './install.mjs';
import { testHost } from './test-host.mjs';

const desktop = process.argv.includes('--desktop');
if (!process.argv.includes('--built')) await build();
// Bundles find the project's folder as the scripts do: one folder up from theirs.
const folder = join(root, '.cache');
const tests = join(folder, 'in-host.cjs');
const standIn = join(folder, 'stand-in.mjs');
await bundle({
  entryPoints: { 'in-host': 'test/editor/in-host/index.ts' },
  outdir: folder,
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
  external: ['vscode', 'onnxruntime-node', 'sharp', 'cpu-features', '*.node'],
  mainFields: ['module', 'main'],
  sourcemap: 'inline',
});
await bundle({
  entryPoints: { 'stand-in': 'test/editor/in-host/stand-in.ts' },
  outdir: folder,
  outExtension: { '.js': '.mjs' },
  banner: { js: `#!${process.execPath}` },
  sourcemap: 'inline',
});
chmodSync(standIn, 0o755);
if (!desktop && testHost() === undefined) process.exit(process.env.CI ? 1 : 0);

const { runTests } = await import('@vscode/test-electron');
const workspace = join(folder, 'in-host-workspace');
mkdirSync(workspace, { recursive: true });
try {
  process.exitCode = await runTests({
    extensionDevelopmentPath: root,
    extensionTestsPath: tests,
    launchArgs: [workspace],
    ...(desktop ? {} : { vscodeExecutablePath: standIn }),
  });
} catch (cause) {
  console.error(String(cause));
  process.exitCode = 1;
}
