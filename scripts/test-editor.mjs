// `npm run test:editor [-- FILE]...`: the tests in the real VS Code alone, with the package of this checkout installed.
// With --keep-screens (`npm run screens`) the pictures that they take become those of the documentation.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { install, root } from './install.mjs';
import { systemPackages } from './system-packages.mjs';

const keep = process.argv.includes('--keep-screens');
install();
systemPackages();
const files = process.argv.slice(2).filter((word) => word !== '--keep-screens');
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'editor', ...files],
  { cwd: root, stdio: 'inherit', env: { ...process.env, ...(keep ? { KEEP_SCREENS: '1' } : {}) } },
);
process.exitCode = status ?? 1;
