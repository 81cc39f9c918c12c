// `npm run package [-- TARGET]...`: builds para-studio-TARGET-VERSION.vsix into dist/vsix for each target (default:
// all), with only what that platform needs, and holds what is in them against the list of what may be.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from './build.mjs';
import { contentsHash, filesBelow } from './host-package.mjs';
import { root } from './install.mjs';
import { checkContents } from './package/contents.mjs';
import { stage } from './package/stage.mjs';
import { targets } from './package/targets.mjs';

const out = join(root, 'dist/vsix');
const staging = join(root, '.cache/package');

/** Where the package of a target lies once it is built. */
export function packagePath(id) {
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return join(out, `${name}-${id}-${version}.vsix`);
}

/**
 * Builds a target's package from bundles that are there; one that has the same files already stays as it is.
 * @returns its sizes in bytes and its number of files
 */
export async function packageTarget(target) {
  const folder = join(staging, target.id);
  await stage(target, folder);
  const staged = filesBelow(folder);
  await checkContents(target, staged, JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
  const path = packagePath(target.id);
  const contents = contentsHash(folder);
  const mark = join(staging, `${target.id}.made-of`);
  const isThere = existsSync(path) && existsSync(mark) && readFileSync(mark, 'utf8') === contents;
  if (!isThere) {
    rmSync(mark, { force: true });
    await pack(target, folder, path);
    await comparePacked(path, staged);
    writeFileSync(mark, contents);
  }
  const unpacked = staged.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  rmSync(folder, { recursive: true });
  return { packed: statSync(path).size, unpacked, files: staged.length };
}

async function pack(target, folder, path) {
  const { createVSIX } = (await import('@vscode/vsce')).default;
  mkdirSync(out, { recursive: true });
  await createVSIX({
    cwd: folder,
    packagePath: path,
    ...(target.runtime ? { target: target.id } : {}),
    dependencies: false,
    rewriteRelativeLinks: false,
    allowMissingRepository: true,
  });
}

/** The packer renames three files for the marketplace, and adds what it says about the package. */
const renamed = { 'README.md': 'readme.md', 'CHANGELOG.md': 'changelog.md', LICENSE: 'LICENSE.txt' };
const added = ['extension.vsixmanifest', '[Content_Types].xml'];

/** @throws Error where the archive does not hold exactly what was staged */
async function comparePacked(path, staged) {
  const { default: yauzl } = await import('yauzl');
  const zip = await yauzl.openPromise(path);
  const packed = [];
  for await (const entry of zip.eachEntry()) packed.push(entry.fileName);
  const wanted = [...staged.map((name) => `extension/${renamed[name] ?? name}`), ...added];
  const differ = [
    ...packed.filter((name) => !wanted.includes(name)),
    ...wanted.filter((name) => !packed.includes(name)),
  ];
  if (differ.length > 0) throw new Error(`${path} differs from what was staged: ${differ.join(', ')}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const names = process.argv.slice(2);
  const unknown = names.filter((name) => !targets.some(({ id }) => id === name));
  if (unknown.length > 0)
    throw new Error(`No such target: ${unknown}; there are ${targets.map(({ id }) => id).join(', ')}`);
  await build();
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1).padStart(9);
  const rows = [];
  for (const target of targets.filter(({ id }) => names.length === 0 || names.includes(id))) {
    const { packed, unpacked, files } = await packageTarget(target);
    rows.push(
      `${target.id.padEnd(14)}${megabytes(packed)}${megabytes(unpacked)}${String(files).padStart(7)}`,
    );
  }
  console.log(`${'target'.padEnd(14)}  VSIX MB unpacked  files\n${rows.join('\n')}`);
}
