// Writes remote-agent/host-lock.json: every file that a host needs from the registries, with size
// and hash. Run it after a change of versions in package-lock.json or below: node scripts/host-lock.mjs
// Registries: those of the user's npm and pip configuration, else the public ones. None is named in the lock file.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './install.mjs';

const nodeVersion = '22.23.3';
/** The last runtime whose CUDA provider is made for CUDA 12. */
const cuda12Runtime = '1.26.0';
const cuda13 = {
  'nvidia-cublas': '13.10.0.20',
  'nvidia-cudnn-cu13': '9.28.1.4',
  'nvidia-cuda-runtime': '13.5.37',
  'nvidia-curand': '10.4.5.25',
  'nvidia-cuda-nvrtc': '13.5.37',
};
const cuda12 = {
  'nvidia-cublas-cu12': '12.9.3.13',
  'nvidia-cudnn-cu12': '9.28.0.42',
  'nvidia-cuda-runtime-cu12': '12.9.79',
  'nvidia-cufft-cu12': '11.4.1.4',
  'nvidia-curand-cu12': '10.3.10.19',
  'nvidia-cuda-nvrtc-cu12': '12.9.86',
};

const setting = (program, ...args) => {
  const { stdout, status } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 && /^https?:/.test(stdout.trim()) ? stdout.trim().replace(/\/$/, '') : undefined;
};
const npm = setting('npm', 'config', 'get', 'registry') ?? 'https://registry.npmjs.org';
const pypi = setting('pip', 'config', 'get', 'global.index-url') ?? 'https://pypi.org/simple';

async function get(url, options) {
  const response = await fetch(url, options);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response;
}

const files = {};
const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
const hex = (integrity) =>
  `sha512-${Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex')}`;

/** Adds an npm package; the hash is package-lock's where it has that version. */
async function npmFile(name, version) {
  const file = `${name.split('/').at(-1)}-${version}.tgz`;
  if (files[file]) return file;
  const known = locked[`node_modules/${name}`];
  const integrity =
    known?.version === version
      ? known.integrity
      : (await (await get(`${npm}/${name}/${version}`)).json()).dist.integrity;
  const head = await get(`${npm}/${name}/-/${file}`, { method: 'HEAD' });
  files[file] = {
    registry: 'npm',
    name,
    version,
    size: Number(head.headers.get('content-length')),
    hash: hex(integrity),
  };
  return file;
}

/** Adds a wheel for an architecture; of several Pythons any will do, since only the libraries in it are used. */
async function wheel(name, version, arch) {
  const index = await (
    await get(`${pypi}/${name}/`, { headers: { accept: 'application/vnd.pypi.simple.v1+json' } })
  ).json();
  const prefix = `${name.replaceAll('-', '_')}-${version}-`;
  const machine = arch === 'x64' ? 'x86_64' : 'aarch64';
  const found = index.files.find(
    (f) =>
      f.filename.startsWith(prefix) &&
      f.filename.endsWith('.whl') &&
      f.filename.includes('manylinux') &&
      f.filename.includes(machine),
  );
  if (!found) throw new Error(`${pypi} has no wheel ${prefix}*${machine}`);
  files[found.filename] = {
    registry: 'pypi',
    name,
    version,
    size: found.size,
    hash: `sha256-${found.hashes.sha256}`,
  };
  return found.filename;
}

const versionOf = (name) => locked[`node_modules/${name}`].version;
const common = ['sharp', '@img/colour', 'detect-libc', 'semver'];

async function runtime(version, arch, wheels = {}) {
  const list = [await npmFile('onnxruntime-node', version), await npmFile('onnxruntime-common', version)];
  for (const [name, at] of Object.entries(wheels)) list.push(await wheel(name, at, arch));
  return { version, files: list };
}

const hosts = {};
const current = versionOf('onnxruntime-node');
for (const arch of ['x64', 'arm64']) {
  const packages = [];
  for (const name of [...common, `@img/sharp-linux-${arch}`, `@img/sharp-libvips-linux-${arch}`])
    packages.push(await npmFile(name, versionOf(name)));
  hosts[arch] = {
    node: await npmFile(`node-linux-${arch}`, nodeVersion),
    packages,
    runtimes: {
      cpu: await runtime(current, arch),
      cuda13: await runtime(current, arch, { 'onnxruntime-gpu': current, ...cuda13 }),
      // The provider for CUDA 12 exists for x64 alone.
      ...(arch === 'x64'
        ? { cuda12: await runtime(cuda12Runtime, arch, { 'onnxruntime-gpu': cuda12Runtime, ...cuda12 }) }
        : {}),
    },
  };
}

const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
const lock = { node: nodeVersion, hosts, files: sorted };
writeFileSync(join(root, 'remote-agent/host-lock.json'), `${JSON.stringify(lock, null, 2)}\n`);
