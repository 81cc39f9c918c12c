// PyTorch, PEFT and diffusers, for comparisons: never needed to use or to test the product.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { root, run } from './install.mjs';

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'para-studio-tools');
const requirements = join(root, 'tools/requirements.txt');

/**
 * The Python of `tools/requirements.txt`: its path, or undefined where it is not installed and `install` is false.
 * Installing takes about 7 GB of disk.
 */
export function pythonTools({ install }) {
  const venv = join(cache, 'venv');
  const python = join(venv, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const marker = join(venv, '.para-installed');
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return python;
  if (!install) return undefined;
  console.log(`Installing PyTorch, PEFT and diffusers into ${venv} (about 7 GB) ...`);
  if (!existsSync(python)) run(process.env.PYTHON || 'python3', ['-m', 'venv', venv]);
  run(python, ['-m', 'pip', 'install', '--quiet', '-r', requirements]);
  writeFileSync(marker, wanted);
  return python;
}

/** A base as a torch pipeline, made from its files when it is not there or they changed. */
export function torchPipeline(python, base, name) {
  const folder = join(cache, 'torch', name);
  const marker = join(folder, '.made-from');
  const hash = createHash('sha256');
  for (const part of ['unet', 'text_encoder', 'text_encoder_2', 'vae_encoder', 'vae_decoder'])
    hash.update(readFileSync(join(base, part, 'model.onnx')));
  const wanted = hash.digest('hex');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return folder;
  console.log(`Making a torch pipeline of ${name} ...`);
  run(python, ['-W', 'ignore', join(root, 'tools/torch_pipeline.py'), base, folder], {
    env: { ...process.env, DIFFUSERS_VERBOSITY: 'error' },
  });
  writeFileSync(marker, wanted);
  return folder;
}

/** Versions of the libraries, for tables. */
export function libraryVersions(python) {
  const program =
    'import torch, diffusers, peft; print(torch.__version__, diffusers.__version__, peft.__version__)';
  const said = execFileSync(python, ['-W', 'ignore', '-c', program], {
    encoding: 'utf8',
    env: { ...process.env, DIFFUSERS_VERBOSITY: 'error' },
  });
  const [torch, diffusers, peft] = said.trim().split('\n').at(-1).split(' ');
  return `PyTorch ${torch}, diffusers ${diffusers}, PEFT ${peft}`;
}
