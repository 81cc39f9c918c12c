// `npm run demo`: installs and builds what is missing, then trains and compares on the sample subject.
import { join } from 'node:path';
import { build } from './build.mjs';
import { root, run } from './install.mjs';

await build();
run(process.execPath, [join(root, 'remote-agent/bin/para.js'), 'demo', ...process.argv.slice(2)]);
