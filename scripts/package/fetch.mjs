// Packages of other platforms, which npm does not install here.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { root } from '../install.mjs';

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'para-studio-tools', 'packages');
const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;

/**
 * Folder of an npm package in the version of the lock file: the installed one, else fetched by npm, held against the
 * lock file's hash, and kept for the next time.
 */
export async function packageFolder(name) {
  const installed = join(root, 'node_modules', name);
  if (existsSync(installed)) return installed;
  const { version, integrity } = locked[`node_modules/${name}`];
  const folder = join(cache, `${name.replace('/', '-')}-${version}`);
  if (existsSync(folder)) return folder;
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  const said = execFileSync('npm', ['pack', `${name}@${version}`, '--json', '--pack-destination', draft], {
    encoding: 'utf8',
    shell: process.platform === 'win32',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const archive = join(draft, JSON.parse(said)[0].filename);
  const hash = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (hash !== integrity) throw new Error(`${name} ${version} is not what package-lock.json says: ${hash}`);
  const tar = await import('tar');
  await tar.extract({ file: archive, cwd: draft, strip: 1, strict: true });
  rmSync(archive);
  renameSync(draft, folder);
  return folder;
}
