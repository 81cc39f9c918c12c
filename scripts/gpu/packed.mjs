// The check on a bare machine, out of a pack: `sh unpack.sh` starts it with the Node that the pack brings.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findGpu, findLibraries, pythonWithTorch, rowFor, rowOf } from './find.mjs';
import { sharedOptions, startCheck } from './options.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({ options: sharedOptions });
const packed = JSON.parse(readFileSync(join(here, 'pack.json'), 'utf8'));
const gpu = findGpu();
const row = rowOf(packed.cuda);
if (gpu && rowFor(gpu.driver).cuda !== packed.cuda)
  console.log(
    `The driver ${gpu.driver} is for CUDA ${rowFor(gpu.driver).cuda}, but the pack is for CUDA ${packed.cuda}.`,
  );
const python = pythonWithTorch([
  values['torch-python'],
  process.env.PYTHON,
  'python3',
  '/opt/torch/.venv/bin/python3',
]);
if (!python)
  console.log('There is no Python with PyTorch here: what needs it is left out (--torch-python names one).');
const { folders, missing } = findLibraries(row, { python, given: values['cuda-libraries'] });
if (gpu && missing.length > 0)
  console.log(`Found nowhere: ${missing.join(', ')}; --cuda-libraries names a folder that has them.`);
if (!gpu && !values.device) {
  console.log('No NVIDIA GPU answers here: no card is at hand, and no stage was run.');
  process.exit(0);
}
if (gpu)
  console.log(`${gpu.name}, driver ${gpu.driver}: CUDA ${packed.cuda}, ONNX Runtime ${packed.runtime}`);
const found = {
  ...{ root: here, programs: join(here, 'agent/dist'), base: join(here, 'agent/bases/pocket-sdxl') },
  ...{ runtime: packed.runtime, libraries: folders },
  ...(gpu ? { gpu } : {}),
  ...(python ? { python } : {}),
};
const kept = { results: join(here, '..', 'gpu-results.json'), page: join(here, '..', 'gpu-check.md') };
process.exitCode = startCheck(values, found, kept);
