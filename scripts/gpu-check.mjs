// `npm run gpu-check`: everything that is to be shown on an NVIDIA GPU, stage by stage; writes bench/gpu-results.json and
// docs/gpu-check.md. Without a GPU it says so and leaves the page's tables empty. docs/gpu-machine.md tells more.
//   --only STAGE            this stage, or those whose names begin so; may be given several times
//   --minutes N             stages that would not fit are left out and named, default 9.5
//   --device cpu            a rehearsal: every stage on another device, with few channels; keeps its own results
//   --checkpoint FILE       an SDXL checkpoint instead of one with random weights
//   --torch-python PATH     Python with PyTorch for the comparisons; --pytorch installs one
//   --provider              fetch and load the CUDA provider even without a GPU
//   --runtime-from DIR, --provider-from DIR, --cuda-libraries DIR
//                           package onnxruntime-node, libonnxruntime_providers_*.so and CUDA's libraries, instead of fetching
//   --pack DIR [--part-size 60M] [--architecture 90] [--node FILE]
//                           pack all that a bare machine needs, in parts
//   --take FILE             merge results that were made elsewhere; --tables writes the page again
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findGpu, pythonWithTorch, rowFor } from './gpu/find.mjs';
import { sharedOptions, startCheck } from './gpu/options.mjs';
import { agentBeside, cudaLibraries, runtimeFolder } from './gpu/setup.mjs';
import { install, root } from './install.mjs';
import { pythonTools } from './python.mjs';

const text = { type: 'string' };
const { values } = parseArgs({
  options: {
    ...sharedOptions,
    provider: { type: 'boolean', default: false },
    pytorch: { type: 'boolean', default: false },
    tables: { type: 'boolean', default: false },
    ...{
      'provider-from': text,
      'runtime-from': text,
      pack: text,
      architecture: text,
      node: text,
      take: text,
    },
    'part-size': { ...text, default: '60M' },
  },
});
install();
const kept = { results: join(root, 'bench/gpu-results.json'), page: join(root, 'docs/gpu-check.md') };
const gpu = findGpu();
const row = rowFor(gpu?.driver);
const tools = pythonTools({ install: values.pytorch });
const packing = values.pack !== undefined;
const onCard = gpu !== undefined && (values.device ?? 'cuda') === 'cuda';
const provider = onCard || values.provider || packing;
const python = values['torch-python'] ?? tools ?? process.env.PYTHON ?? 'python3';
const folder = runtimeFolder(row, {
  ...{ provider, providerFrom: values['provider-from'], runtimeFrom: values['runtime-from'], python },
});

if (packing) {
  const { pack } = await import('./gpu/pack.mjs');
  await pack(values, { folder, row });
} else if (values.tables || values.take) {
  const programs = await agentBeside(folder);
  const asked = JSON.stringify({ ...kept, take: values.take });
  process.exitCode = spawnSync(process.execPath, [join(programs, 'gpu-tables.js'), asked], {
    stdio: 'inherit',
  }).status;
} else process.exitCode = await check();

async function check() {
  const libraries = provider
    ? cudaLibraries(row, { python, given: values['cuda-libraries'] })
    : values['cuda-libraries'];
  const programs = await agentBeside(folder);
  const torch = pythonWithTorch([values['torch-python'], tools, ...(gpu ? ['python3'] : [])]);
  const found = {
    ...{ root, programs, libraries, runtime: row.runtime },
    base: join(root, 'remote-agent/bases/pocket-sdxl'),
    ...(gpu ? { gpu } : {}),
    ...(torch ? { python: torch } : {}),
  };
  if (gpu || values.device) {
    if (gpu) console.log(`${gpu.name}, driver ${gpu.driver}: CUDA ${row.cuda}, ONNX Runtime ${row.runtime}`);
    return startCheck(values, found, kept);
  }
  console.log('No NVIDIA GPU answers here: no card is at hand, and no stage was run.');
  const asked = JSON.stringify({
    ...kept,
    ...(values.provider ? { provider: { programs, libraries } } : {}),
  });
  return spawnSync(process.execPath, [join(programs, 'gpu-tables.js'), asked], { stdio: 'inherit' }).status;
}
