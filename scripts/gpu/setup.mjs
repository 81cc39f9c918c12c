// Sets the CUDA provider of ONNX Runtime up in a folder of its own: the project's node_modules stay as they are.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run } from '../install.mjs';

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'para-studio-tools', 'gpu');

/** Which runtime goes with which driver: from the newest. */
const rows = [
  {
    driver: 580,
    cuda: 13,
    runtime: '1.30.0',
    libraries: {
      'libcublasLt.so.13': 'nvidia-cublas==13.*',
      'libcudart.so.13': 'nvidia-cuda-runtime==13.*',
      'libnvrtc.so.13': 'nvidia-cuda-nvrtc==13.*',
      'libcurand.so.10': 'nvidia-curand==10.4.*',
      'libcudnn.so.9': 'nvidia-cudnn-cu13==9.*',
    },
  },
  {
    driver: 525,
    cuda: 12,
    runtime: '1.26.0',
    libraries: {
      'libcublasLt.so.12': 'nvidia-cublas-cu12==12.*',
      'libcudart.so.12': 'nvidia-cuda-runtime-cu12==12.*',
      'libnvrtc.so.12': 'nvidia-cuda-nvrtc-cu12==12.*',
      'libcurand.so.10': 'nvidia-curand-cu12==10.3.*',
      'libcudnn.so.9': 'nvidia-cudnn-cu12==9.*',
    },
  },
];

/** The GPU of this machine and its driver; undefined where there is none. */
export function findGpu() {
  try {
    const fields = ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader'];
    const said = execFileSync('nvidia-smi', fields, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [name, driver, memory] = said.trim().split('\n')[0].split(', ');
    return name && driver ? { name, driver, memory } : undefined;
  } catch {
    return undefined;
  }
}

/** The row for a driver's version; the newest where none is named. */
export function rowFor(driver) {
  const major = driver === undefined ? Number.POSITIVE_INFINITY : Number.parseInt(driver, 10);
  const found = rows.find((row) => major >= row.driver);
  if (!found) throw new Error(`The driver ${driver} is too old: at least ${rows.at(-1).driver} is needed`);
  return found;
}

const pip = (python, folder, packages) =>
  run(python, ['-m', 'pip', 'install', '--quiet', '--no-deps', '--upgrade', '--target', folder, ...packages]);

/** A folder with the runtime of that version and nothing else; `provider` adds the CUDA provider to it. */
export function runtimeFolder(row, { provider, providerFrom, python }) {
  const folder = join(cache, `cuda${row.cuda}`);
  const own = join(folder, 'node_modules/onnxruntime-node');
  mkdirSync(folder, { recursive: true });
  const manifest = { private: true, type: 'module', dependencies: { 'onnxruntime-node': row.runtime } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  const installed = existsSync(join(own, 'package.json'))
    ? JSON.parse(readFileSync(join(own, 'package.json'), 'utf8')).version
    : undefined;
  if (installed !== row.runtime)
    run('npm', ['install', '--no-fund', '--no-audit', '--loglevel=error'], {
      ...{ cwd: folder, env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' } },
    });
  if (!provider) return folder;
  const napi = readdirSync(join(own, 'bin')).find((name) => name.startsWith('napi-'));
  const binaries = join(own, 'bin', napi, 'linux', process.arch);
  const files = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'];
  if (files.every((file) => existsSync(join(binaries, file)))) return folder;
  let from = providerFrom;
  if (!from) {
    const wheel = join(folder, 'provider');
    console.log(`Fetching the CUDA provider of ONNX Runtime ${row.runtime} (about 250 MB) ...`);
    pip(python, wheel, [`onnxruntime-gpu==${row.runtime}`]);
    from = join(wheel, 'onnxruntime/capi');
  }
  for (const file of files) copyFileSync(join(from, file), join(binaries, file));
  return folder;
}

/** Folders below `folder` that hold a shared library. */
function libraryFolders(folder, depth = 4) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  const inside = entries.filter((e) => depth > 0 && e.isDirectory());
  const here = entries.some((e) => /\.so(\.|$)/.test(e.name)) ? [folder] : [];
  return [...here, ...inside.flatMap((e) => libraryFolders(join(folder, e.name), depth - 1))];
}

/** Folders for LD_LIBRARY_PATH with all CUDA libraries of a row; what is nowhere to be found is installed. */
export function cudaLibraries(row, { python, given }) {
  const own = join(cache, `cuda${row.cuda}`, 'libraries');
  const places = [...given, ...(process.env.LD_LIBRARY_PATH ?? '').split(':'), '/usr/local/cuda/lib64', own];
  // PyTorch brings most of them.
  const site = 'import sysconfig; print(sysconfig.get_paths()["purelib"])';
  places.push(join(execFileSync(python, ['-c', site], { encoding: 'utf8' }).trim(), 'nvidia'));
  const folders = places.filter(Boolean).flatMap((place) => libraryFolders(place));
  const missing = Object.entries(row.libraries).filter(
    ([file]) => !folders.some((folder) => existsSync(join(folder, file))),
  );
  if (missing.length > 0) {
    console.log(`Fetching CUDA libraries: ${missing.map(([, name]) => name).join(', ')} ...`);
    pip(
      python,
      own,
      missing.map(([, name]) => name),
    );
  }
  return [...new Set([...folders, ...libraryFolders(own)])];
}
