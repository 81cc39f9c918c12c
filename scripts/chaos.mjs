// `npm run chaos [-- --faults N --seed S]`: disturbs jobs on a real SSH host and writes docs/chaos.md.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from './build.mjs';
import { root } from './install.mjs';

await build();
const { build: bundle } = await import('esbuild');
const folder = join(root, '.cache/chaos');
await bundle({
  absWorkingDir: root,
  entryPoints: ['remote-agent/test/chaos/main.ts', 'remote-agent/test/chaos/client.ts'],
  outdir: folder,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: 'inline',
  logLevel: 'warning',
  packages: 'external',
});
const done = spawnSync(
  process.execPath,
  ['--enable-source-maps', join(folder, 'main.mjs'), ...process.argv.slice(2)],
  { stdio: 'inherit', cwd: root },
);
process.exitCode = done.status ?? 1;
