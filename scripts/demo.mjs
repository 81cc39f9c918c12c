// `npm run demo`: installs and builds what is missing, then trains and compares on the sample subject.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build } from './build.mjs';
import { root } from './install.mjs';

await build();
// Ctrl-C reaches the demo as well, which saves its state first: this process only waits for its end.
process.on('SIGINT', () => {});
const demo = spawn(
  process.execPath,
  [join(root, 'remote-agent/bin/para.js'), 'demo', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
demo.on('exit', (code, signal) => {
  process.exitCode = signal ? 130 : (code ?? 1);
});
