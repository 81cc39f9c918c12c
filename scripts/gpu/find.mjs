// What of a GPU is on this machine: the card, CUDA's libraries, a Python with PyTorch. Nothing is installed.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

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

/** The row for a driver's version; the newest where none is named. */
export function rowFor(driver) {
  const major = driver === undefined ? Number.POSITIVE_INFINITY : Number.parseInt(driver, 10);
  const found = rows.find((row) => major >= row.driver);
  if (!found) throw new Error(`The driver ${driver} is too old: at least ${rows.at(-1).driver} is needed`);
  return found;
}

/** The row of a version of CUDA. */
export const rowOf = (cuda) => rows.find((row) => row.cuda === cuda);

/** What a program prints; undefined where it is missing or fails. */
function said(program, args) {
  try {
    const how = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 120_000 };
    return execFileSync(program, args, how).trim();
  } catch {
    return undefined;
  }
}

/** Folders of the driver's tool that not every PATH has. */
const toolFolders = ['/usr/local/nvidia/bin', '/usr/lib/wsl/lib'];

/** The GPU of this machine and its driver; undefined where there is none. What this process starts finds the tool too. */
export function findGpu() {
  process.env.PATH = [process.env.PATH, ...toolFolders].filter(Boolean).join(':');
  const answer = said('nvidia-smi', [
    '--query-gpu=name,driver_version,memory.total',
    '--format=csv,noheader',
  ]);
  const [name, driver, memory] = answer?.split('\n')[0].split(', ') ?? [];
  return name && driver ? { name, driver, memory } : undefined;
}

/** Folders below `folder` that hold a shared library. */
export function libraryFolders(folder, depth = 4) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  const inside = entries.filter((e) => depth > 0 && e.isDirectory());
  const here = entries.some((e) => /\.so(\.|$)/.test(e.name)) ? [folder] : [];
  return [...here, ...inside.flatMap((e) => libraryFolders(join(folder, e.name), depth - 1))];
}

/**
 * Folders with CUDA's libraries of a row, and the files that are in none of them.
 * @param given folders that are looked through first
 */
export function findLibraries(row, { python, given }) {
  const below = [...given, ...(process.env.LD_LIBRARY_PATH ?? '').split(':')].filter(Boolean);
  // PyTorch brings most of them.
  const site = python && said(python, ['-c', 'import sysconfig; print(sysconfig.get_paths()["purelib"])']);
  if (site) below.push(join(site, 'nvidia'));
  // The system's own, not what lies in folders below.
  const system = ['/usr/local/cuda/lib64', '/usr/lib/x86_64-linux-gnu', '/usr/local/nvidia/lib64'];
  const all = [...below.flatMap((folder) => libraryFolders(folder)), ...system];
  const wanted = Object.keys(row.libraries);
  const folders = all.filter((folder) => wanted.some((file) => existsSync(join(folder, file))));
  // What these libraries load in turn lies beside them, or in another folder of the same package.
  const found = [...new Set([...folders, ...all.filter((folder) => !system.includes(folder))])];
  return {
    folders: found,
    missing: wanted.filter((file) => !folders.some((folder) => existsSync(join(folder, file)))),
  };
}

/** The first of these Pythons that has PyTorch. */
export const pythonWithTorch = (candidates) =>
  candidates.filter(Boolean).find((python) => said(python, ['-c', 'import torch']) !== undefined);
