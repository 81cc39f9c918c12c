// `npm run fuzz [-- --seed N --count N]`: feeds damaged files to the readers; a crash of the reader's process is a failure too.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { install, root } from './install.mjs';

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, count: { type: 'string', default: '10000' } },
});
install();
const { build } = await import('esbuild');
const folder = join(root, 'remote-agent/dist/fuzz');
await build({
  absWorkingDir: root,
  entryPoints: ['remote-agent/test/fuzz/main.ts'],
  outdir: folder,
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
  ['--enable-source-maps', join(folder, 'main.js'), root, join(folder, 'scratch'), values.seed, values.count],
  { stdio: 'inherit' },
);
if (done.signal) console.log(`the reader was ended by ${done.signal}`);
process.exitCode = done.status ?? 1;
