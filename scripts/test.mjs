// `npm test`: installs, builds, and runs every check that needs no GPU.
import { readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
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

const { spawnSync } = await import('node:child_process');
const extra = process.argv.slice(2);

/** Runs the tests of a project, so many files at a time; what its report counts. */
function runProject(project, forks) {
  const report = join(root, '.cache', `tests-${project}.json`);
  rmSync(report, { force: true });
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      ...['--project', project, '--passWithNoTests'],
      ...['--reporter=default', '--reporter=json', `--outputFile=${report}`],
      ...extra,
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, VITEST_MAX_FORKS: `${forks}` } },
  );
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, success, testResults } = JSON.parse(
    readFileSync(report, 'utf8'),
  );
  return {
    passed: numPassedTests,
    failed: numFailedTests,
    skipped: numPendingTests + numTodoTests,
    isWell: status === 0 && success,
    failures: testResults.flatMap(failuresOfFile),
  };
}

/** What failed in a file, each with its first lines: the whole of it stands far above. */
function failuresOfFile({ name, message, assertionResults }) {
  const file = relative(root, name);
  const failed = assertionResults.filter(({ status }) => status === 'failed');
  const told = (text) => (text ?? '').split('\n').slice(0, 12).join('\n    ');
  if (message) failed.push({ fullName: '(the file itself)', failureMessages: [message] });
  return failed.map(
    ({ fullName, failureMessages }) => `${file}: ${fullName}\n    ${told(failureMessages[0])}`,
  );
}

// Many of the first wait for links and hosts more than they compute. A person looks at one window at a time, and a busy
// machine makes windows slow: those come after, one by one.
const results = [runProject('units', 2), runProject('editor', 1)];
for (const failure of results.flatMap(({ failures }) => failures)) console.log(`FAILED ${failure}`);
const sum = (name) => results.reduce((all, result) => all + result[name], 0);
const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')];
if (skipped > 0)
  console.log(`${skipped} tests were skipped${process.env.CI ? ': that is a failure here' : ''}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode =
  results.every(({ isWell }) => isWell) && passed > 0 && !(process.env.CI && skipped > 0) ? 0 : 1;
