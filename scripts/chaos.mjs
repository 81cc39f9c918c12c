// `npm run chaos [-- --faults N --seed S]`: disturbs jobs on a real SSH host and writes docs/chaos.md.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from './build.mjs';
import { bundle } from './bundle.mjs';
import { root } from './install.mjs';

await build();
const folder = join(root, '.cache/chaos');
await bundle({
  entryPoints: ['remote-agent/test/chaos/main.ts', 'remote-agent/test/chaos/client.ts'],
  outdir: folder,
  outExtension: { '.js': '.mjs' },
  sourcemap: 'inline',
});
const done = spawnSync(
  process.execPath,
  ['--enable-source-maps', join(folder, 'main.mjs'), ...process.argv.slice(2)],
  { stdio: 'inherit', cwd: root },
);
process.exitCode = done.status ?? 1;
