// `npm test`: installs, builds, and runs every check that needs no GPU.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { root, run } from './install.mjs';
import { systemPackages } from './system-packages.mjs';
import { testHost } from './test-host.mjs';

await build();
systemPackages();
testHost();
for (const check of [
  'check:format',
  'check:types',
  'check:rooms',
  'check:schema',
  'check:protocol',
  'check:l10n',
])
  run('npm', ['run', '--silent', check]);

const report = join(root, '.cache', 'tests.json');
rmSync(report, { force: true });
const extra = process.argv.slice(2);
const { spawnSync } = await import('node:child_process');
const result = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile=${report}`,
    ...extra,
  ],
  { cwd: root, stdio: 'inherit' },
);
const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, success } = JSON.parse(
  readFileSync(report, 'utf8'),
);
const skipped = numPendingTests + numTodoTests;
if (skipped > 0)
  console.log(`${skipped} tests were skipped${process.env.CI ? ': that is a failure here' : ''}`);
console.log(`${numPassedTests} passed, ${numFailedTests} failed`);
process.exitCode =
  result.status !== 0 || !success || numPassedTests === 0 || (process.env.CI && skipped > 0) ? 1 : 0;
