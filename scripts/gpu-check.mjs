// `npm run gpu-check`: compares CUDA with the CPU and with PyTorch on the GPU of this machine and writes
// docs/gpu-check.md. Without a GPU it says so and runs what it can.
//   --provider              fetch and load the CUDA provider even without a GPU
//   --pytorch               install PyTorch for the comparison (a Python that is there already is used anyway)
//   --provider-from DIR     folder with libonnxruntime_providers_{shared,cuda}.so, instead of fetching them
//   --cuda-libraries DIR    folder with CUDA libraries, instead of fetching them; may be given several times
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.mjs';
import { cudaLibraries, findGpu, rowFor, runtimeFolder } from './gpu/setup.mjs';
import { install, root } from './install.mjs';
import { pythonTools, torchPipeline } from './python.mjs';

const { values } = parseArgs({
  options: {
    provider: { type: 'boolean', default: false },
    pytorch: { type: 'boolean', default: false },
    'provider-from': { type: 'string' },
    'cuda-libraries': { type: 'string', multiple: true, default: [] },
  },
});
install();
const gpu = findGpu();
const row = rowFor(gpu?.driver);
console.log(
  gpu
    ? `${gpu.name}, driver ${gpu.driver}: CUDA ${row.cuda}, ONNX Runtime ${row.runtime}`
    : 'No NVIDIA GPU answers here.',
);
const base = join(root, 'remote-agent/bases/pocket-sdxl');
const tools = pythonTools({ install: values.pytorch });
const python = tools ?? process.env.PYTHON ?? 'python3';
const provider = gpu !== undefined || values.provider;
const folder = runtimeFolder(row, { provider, providerFrom: values['provider-from'], python });
const libraries = provider ? cudaLibraries(row, { python, given: values['cuda-libraries'] }) : [];

// Beside the runtime that they are to load, with everything else inside.
await bundle({
  entryPoints: { 'gpu-child': 'remote-agent/bench/gpu-child.ts', worker: 'remote-agent/bench/worker.ts' },
  outdir: folder,
  external: ['onnxruntime-node'],
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});
const program = join(root, 'remote-agent/dist/gpu-check.js');
await bundle({
  entryPoints: ['remote-agent/bench/gpu-check.ts'],
  outfile: program,
});
const torch = tools && {
  ...{ python: tools, pipeline: torchPipeline(tools, base, 'pocket-sdxl') },
  worker: join(root, 'tools/bench/pytorch_worker.py'),
};
const options = { root, base, folder, runtime: row.runtime, libraries, gpu, provider, torch };
const result = spawnSync(process.execPath, [program, JSON.stringify(options)], {
  cwd: root,
  stdio: 'inherit',
});
process.exitCode = result.status ?? 130;
