// Packs what a host gets from this machine: the agent's bundles, the shipped bases and the set-up program, each named
// by the hash of its contents, with a manifest of them.
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';
import { root } from './install.mjs';

const bases = join(root, 'remote-agent/bases');

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Relative paths of all files below a folder, in a fixed order. */
export const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .map((path) => path.replaceAll('\\', '/'))
    .sort();

/** Hash of what a folder holds: the same files give the same hash on every machine. */
export function contentsHash(folder) {
  const hash = createHash('sha256');
  for (const path of filesBelow(folder))
    hash.update(`${path}\0${sha256(readFileSync(join(folder, path)))}\n`);
  return hash.digest('hex').slice(0, 12);
}

/** The agent is compressed; the bases are not, so that any machine that packs them anew gets the same bytes. */
async function pack(name, folder, target, { gzip = false } = {}) {
  const file = `${name}-${contentsHash(folder)}.${gzip ? 'tgz' : 'tar'}`;
  const path = join(target, file);
  if (!existsSync(path)) {
    const draft = `${path}.part`;
    const { packFiles } = await packer();
    await packFiles(folder, filesBelow(folder), draft, gzip);
    renameSync(draft, path);
  }
  return describe(path, file);
}

/** What the program packs with, too. */
async function packer() {
  const outdir = join(root, '.cache');
  await bundle({ entryPoints: { 'pack-files': 'remote-agent/src/hosts/install/pack.ts' }, outdir });
  return import(pathToFileURL(join(outdir, 'pack-files.js')).href);
}

const describe = (path, file) => ({
  file,
  size: statSync(path).size,
  hash: `sha256-${sha256(readFileSync(path))}`,
});

/** Packs `folder`/agent, the bases and `folder`/setup.js; writes `folder`/manifest.json. */
export async function packHost(folder) {
  const { name, version, license } = JSON.parse(
    readFileSync(join(root, 'remote-agent/package.json'), 'utf8'),
  );
  const manifest = { name, version, license, type: 'module' };
  writeFileSync(join(folder, 'agent/package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  cpSync(join(root, 'remote-agent/templates'), join(folder, 'agent/templates'), { recursive: true });
  const setup = readFileSync(join(folder, 'setup.js'));
  const setupFile = `setup-${sha256(setup).slice(0, 12)}.mjs`;
  copyFileSync(join(folder, 'setup.js'), join(folder, setupFile));
  const parts = {
    version,
    agent: await pack('agent', join(folder, 'agent'), folder, { gzip: true }),
    bases: await pack('bases', bases, folder),
    setup: describe(join(folder, setupFile), setupFile),
  };
  const all = { ...parts, baseFiles: filesBelow(bases) };
  writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(all, null, 2)}\n`);
  copyFileSync(join(root, 'remote-agent/host-lock.json'), join(folder, 'host-lock.json'));
  const kept = [
    ...Object.values(parts).map((part) => part.file),
    'agent',
    'setup.js',
    'manifest.json',
    'host-lock.json',
  ];
  for (const entry of readdirSync(folder))
    if (!kept.includes(entry)) rmSync(join(folder, entry), { recursive: true });
}
