// This checkout's `para` with a package for hosts whose lock names what the test's registry serves: the packages
// that are installed here, packed anew, and this very Node as the private one.
import {
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tar from 'tar';
import type { HostLock } from '../../../src/hosts/install/lock.ts';
import { described } from './registry.ts';

export const checkout = fileURLToPath(new URL('../../../..', import.meta.url));
const modules = join(checkout, 'node_modules');
const arch = process.arch as 'x64' | 'arm64';

const packages = [
  'onnxruntime-node',
  'onnxruntime-common',
  'sharp',
  '@img/colour',
  'detect-libc',
  'semver',
  `@img/sharp-linux-${arch}`,
  `@img/sharp-libvips-linux-${arch}`,
];

/** Packs a folder as npm does; libraries of other machines are left out, since nobody here needs them. */
async function pack(folder: string, file: string): Promise<void> {
  const inside = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (path) =>
      lstatSync(join(folder, path)).isFile() &&
      (!path.startsWith('bin/napi-v6/') || path.startsWith(`bin/napi-v6/linux/${arch}/`)),
  );
  await tar.create({ cwd: folder, file, prefix: 'package', gzip: { level: 1 }, portable: true }, inside);
}

/** The registry's files by name, and the lock that names them. */
export interface Shelf {
  readonly files: Map<string, string>;
  readonly lock: HostLock;
}

/** Packs everything a host needs into `folder`. */
export async function fillShelf(folder: string): Promise<Shelf> {
  mkdirSync(folder, { recursive: true });
  const files = new Map<string, string>();
  const locked: Record<string, HostLock['files'][string]> = {};
  const add = async (name: string, version: string, from: string) => {
    const file = `${name.split('/').at(-1)}-${version}.tgz`;
    const path = join(folder, file);
    await pack(from, path);
    files.set(file, path);
    locked[file] = { registry: 'npm', name, version, ...described(path) };
    return file;
  };
  const packed: string[] = [];
  for (const name of packages) {
    const { version } = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'));
    packed.push(await add(name, version, join(modules, name)));
  }
  const node = join(folder, 'node');
  mkdirSync(join(node, 'bin'), { recursive: true });
  copyFileSync(process.execPath, join(node, 'bin/node'));
  writeFileSync(join(node, 'LICENSE'), 'see the Node project\n');
  const version = process.versions.node;
  const host = {
    node: await add(`node-linux-${arch}`, version, node),
    packages: packed.slice(2),
    runtimes: { cpu: { version: '1.30.0', files: packed.slice(0, 2) } },
  };
  rmSync(node, { recursive: true });
  const lock = { node: version, hosts: { [arch]: host } as unknown as HostLock['hosts'], files: locked };
  return { files, lock };
}

/** A program folder with `bin/para.js` and a package for hosts of its own. */
export interface Program {
  readonly para: string;
  readonly host: string;
}

export function makeProgram(folder: string, lock: HostLock): Program {
  const dist = join(checkout, 'remote-agent/dist');
  mkdirSync(join(folder, 'dist'), { recursive: true });
  cpSync(join(checkout, 'remote-agent/bin'), join(folder, 'bin'), { recursive: true });
  for (const name of ['para.js', 'trainer.js']) copyFileSync(join(dist, name), join(folder, 'dist', name));
  cpSync(join(dist, 'host'), join(folder, 'dist/host'), {
    recursive: true,
    filter: (path) => !/\/host\/(agent|setup\.js)$/.test(path),
  });
  copyFileSync(join(checkout, 'remote-agent/package.json'), join(folder, 'package.json'));
  symlinkSync(modules, join(folder, 'node_modules'));
  const program = { para: join(folder, 'bin/para.js'), host: join(folder, 'dist/host') };
  writeFileSync(join(program.host, 'host-lock.json'), JSON.stringify(lock));
  return program;
}

/** Gives the program's agent another version number, as a release would. */
export async function raiseVersion({ host }: Program, version: string): Promise<void> {
  const path = join(host, 'manifest.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  const folder = join(host, 'raised');
  mkdirSync(folder);
  await tar.extract({ file: join(host, manifest.agent.file), cwd: folder });
  const own = join(folder, 'package.json');
  writeFileSync(own, JSON.stringify({ ...JSON.parse(readFileSync(own, 'utf8')), version }));
  const file = `agent-${version}.tgz`;
  await tar.create({ cwd: folder, file: join(host, file), gzip: true, portable: true }, [
    'package.json',
    'dist',
  ]);
  rmSync(folder, { recursive: true });
  const agent = { file, ...described(join(host, file), 'sha256') };
  writeFileSync(path, JSON.stringify({ ...manifest, version, agent }));
}

/** A folder of links to programs that every system has, and no Node. */
export function plainPrograms(folder: string, ...without: string[]): string {
  mkdirSync(folder, { recursive: true });
  const names =
    'sh bash env ls cat cut dirname basename id uname getconf grep head tail wc df readlink mkdir rm rmdir mv tar gzip sha512sum curl sleep tr kill'.split(
      ' ',
    );
  for (const name of names.filter((name) => !without.includes(name))) {
    const place = ['/usr/bin', '/bin'].find((at) => existsSync(join(at, name)));
    if (place) symlinkSync(join(place, name), join(folder, name));
  }
  return folder;
}
