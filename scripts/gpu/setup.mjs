// Sets the CUDA provider of ONNX Runtime up in a folder of its own: the project's node_modules stay as they are. There
// too go the programs of the check, from where they find that runtime.
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { bundle, requireLines, trainerPrograms } from '../bundle.mjs';
import { root, run } from '../install.mjs';
import { findLibraries, libraryFolders } from './find.mjs';

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'para-studio-tools', 'gpu');

const providerFiles = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'];

const pip = (python, folder, packages) =>
  run(python, ['-m', 'pip', 'install', '--quiet', '--no-deps', '--upgrade', '--target', folder, ...packages]);

const versionOf = (folder) =>
  existsSync(join(folder, 'package.json'))
    ? JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version
    : undefined;

/** Folder of the runtime's libraries for this machine, within its package. */
export function binariesOf(runtime) {
  const napi = readdirSync(join(runtime, 'bin')).find((name) => name.startsWith('napi-'));
  return join(runtime, 'bin', napi, 'linux', process.arch);
}

/** Puts the package of the runtime into a folder's node_modules; copied where files are to be added to it. */
function takeRuntime(from, modules, copy) {
  for (const name of ['onnxruntime-node', 'onnxruntime-common']) {
    const source = name === 'onnxruntime-node' ? from : join(dirname(from), name);
    if (!existsSync(source)) throw new Error(`There is no ${name} at ${source}`);
    rmSync(join(modules, name), { recursive: true, force: true });
    if (copy) cpSync(source, join(modules, name), { recursive: true, dereference: true });
    else symlinkSync(realpathSync(source), join(modules, name));
  }
}

/**
 * A folder whose node_modules have the runtime of a row and nothing else; `provider` adds the CUDA provider to it.
 * @param runtimeFrom a folder of the package onnxruntime-node, with onnxruntime-common beside it, instead of the registry
 */
export function runtimeFolder(row, { provider, providerFrom, runtimeFrom, python }) {
  const folder = join(cache, `cuda${row.cuda}`);
  const own = join(folder, 'node_modules/onnxruntime-node');
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  const manifest = { private: true, type: 'module', dependencies: { 'onnxruntime-node': row.runtime } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  if (versionOf(own) !== row.runtime) {
    if (runtimeFrom) takeRuntime(resolve(runtimeFrom), join(folder, 'node_modules'), provider);
    else
      run('npm', ['install', '--no-fund', '--no-audit', '--loglevel=error'], {
        ...{ cwd: folder, env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' } },
      });
  }
  if (!provider) return folder;
  const binaries = binariesOf(own);
  if (!providerFrom && providerFiles.every((file) => existsSync(join(binaries, file)))) return folder;
  let from = providerFrom;
  if (!from) {
    const wheel = join(folder, 'provider');
    console.log(`Fetching the CUDA provider of ONNX Runtime ${row.runtime} (about 250 MB) ...`);
    pip(python, wheel, [`onnxruntime-gpu==${row.runtime}`]);
    from = join(wheel, 'onnxruntime/capi');
  }
  for (const file of providerFiles) copyFileSync(join(from, file), join(binaries, file));
  return folder;
}

/** Folders for LD_LIBRARY_PATH with all CUDA libraries of a row; what is nowhere to be found is installed. */
export function cudaLibraries(row, { python, given }) {
  const own = join(cache, `cuda${row.cuda}`, 'libraries');
  const { folders, missing } = findLibraries(row, { python, given: [...given, own] });
  if (missing.length === 0) return folders;
  const packages = missing.map((file) => row.libraries[file]);
  console.log(`Fetching CUDA libraries: ${packages.join(', ')} ...`);
  pip(python, own, packages);
  return [...new Set([...folders, ...libraryFolders(own)])];
}

/** Packages with native code: they stay outside of the programs. */
const native = ['onnxruntime-node', 'onnxruntime-common', 'sharp', '@img/*'];

/** Programs of the check: the first starts the others. */
const programs = {
  'gpu-check': 'remote-agent/bench/gpu/start.ts',
  'gpu-tables': 'remote-agent/bench/gpu/tables.ts',
  'gpu-provider': 'remote-agent/bench/gpu/provider-child.ts',
  'gpu-correct': 'remote-agent/bench/gpu/correct-child.ts',
  'gpu-import': 'remote-agent/bench/gpu/import-child.ts',
  'gpu-run': 'remote-agent/bench/gpu/run-child.ts',
  'full-size-step': 'remote-agent/bench/full-size/step.ts',
  worker: 'remote-agent/bench/worker.ts',
  ...trainerPrograms,
  'bench-laps': 'remote-agent/bench/laps.ts',
};

/** Makes the agent with the programs of the check in a folder: templates, the small base and `dist`. */
export async function makeAgent(folder, { link }) {
  mkdirSync(join(folder, 'dist'), { recursive: true });
  const { version } = JSON.parse(readFileSync(join(root, 'remote-agent/package.json'), 'utf8'));
  const manifest = { name: '@para-studio/agent', version, type: 'module' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  for (const name of ['templates', 'bases']) {
    const source = join(root, 'remote-agent', name);
    rmSync(join(folder, name), { recursive: true, force: true });
    if (link) symlinkSync(source, join(folder, name));
    else cpSync(source, join(folder, name), { recursive: true });
  }
  await bundle({
    entryPoints: programs,
    outdir: join(folder, 'dist'),
    external: native,
    // Some packages' CommonJS finds its own parts only unbundled.
    mainFields: ['module', 'main'],
    banner: { js: requireLines.join('\n') },
  });
  return join(folder, 'dist');
}

/** The programs of this checkout beside the runtime that they are to load; the image library is the project's own. */
export async function agentBeside(folder) {
  const name = createHash('sha256').update(root).digest('hex').slice(0, 8);
  const agent = join(folder, `agent-${name}`);
  const modules = join(agent, 'node_modules');
  mkdirSync(modules, { recursive: true });
  const sharp = join(modules, 'sharp');
  if (!existsSync(sharp)) symlinkSync(join(root, 'node_modules/sharp'), sharp);
  return makeAgent(agent, { link: true });
}
