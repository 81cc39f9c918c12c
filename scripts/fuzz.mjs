// `npm run fuzz [-- --seed N --count N]`: feeds damaged files to the readers; a crash of the reader's process is a failure too.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.mjs';
import { install, root } from './install.mjs';

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, count: { type: 'string', default: '10000' } },
});
install();
const folder = join(root, 'remote-agent/dist/fuzz');
await bundle({
  entryPoints: ['remote-agent/test/fuzz/main.ts'],
  outdir: folder,
  sourcemap: 'inline',
});
const done = spawnSync(
  process.execPath,
  ['--enable-source-maps', join(folder, 'main.js'), root, join(folder, 'scratch'), values.seed, values.count],
  { stdio: 'inherit' },
);
if (done.signal) console.log(`the reader was ended by ${done.signal}`);
process.exitCode = done.status ?? 1;
