// `npm run bench [-- --only NAME]... [--pytorch] [--tables]`: measures on this machine and writes bench/results.json and the
// tables of docs/performance.md. `--pytorch` installs what the comparisons with PyTorch and diffusers need;
// `--tables` measures nothing and writes the tables again.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { bundle } from './bundle.mjs';
import { root } from './install.mjs';
import { libraryVersions, pythonTools, torchPipeline } from './python.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    pytorch: { type: 'boolean', default: false },
    tables: { type: 'boolean', default: false },
  },
});
await build();
const dist = join(root, 'remote-agent/dist');
// Beside the trainer's bundle, whose places they share.
await bundle({
  entryPoints: {
    bench: 'remote-agent/bench/main.ts',
    'bench-step': 'remote-agent/bench/step-ratio.ts',
    'bench-memory': 'remote-agent/bench/memory-case.ts',
    'bench-worker': 'remote-agent/bench/worker.ts',
    'bench-laps': 'remote-agent/bench/laps.ts',
  },
  outdir: dist,
});
// Where what it is made of finds the project by its own place.
await bundle({ entryPoints: { 'bench-editor': 'test/editor/bench/main.ts' }, outdir: join(root, '.cache') });
const base = join(root, 'remote-agent/bases/pocket-sdxl');
const python = pythonTools({ install: values.pytorch });
const torch = python && {
  python,
  pipeline: torchPipeline(python, base, 'pocket-sdxl'),
  worker: join(root, 'tools/bench/pytorch_worker.py'),
  library: libraryVersions(python),
};
const result = spawnSync(
  process.execPath,
  [join(dist, 'bench.js'), JSON.stringify({ root, only: values.only, tables: values.tables, torch })],
  {
    cwd: root,
    stdio: 'inherit',
  },
);
process.exitCode = result.status ?? 130;
