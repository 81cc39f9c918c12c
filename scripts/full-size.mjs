// `npm run full-size [-- STAGE...]`: proof at full size on the CPU. A checkpoint of SDXL with random weights is imported,
// training steps of it are planned and made, and their losses and gradients are held against PyTorch's.
// Needs 20 GB of memory, 8 GB of disk and the Python of tools/requirements.txt; not part of the tests.
//   STAGE            checkpoint, import, values, para, para-pytorch, lora, lora-pytorch, train, growth; default all
//   --folder DIR     where its files go, default full-size in the system's temporary folder; nothing is deleted there
//   --widths small   the same architecture with few channels, to try it out
//   --latent N       side of the latents, default 64 (512 px)
//   --memory M       fast or lean, default lean
//   --minutes N      PyTorch begins no further step after this time, default 60
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { bundle, trainerPrograms } from './bundle.mjs';
import { root } from './install.mjs';
import { pythonTools } from './python.mjs';

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string', default: join(tmpdir(), 'full-size') },
    widths: { type: 'string', default: 'full' },
    latent: { type: 'string', default: '64' },
    memory: { type: 'string', default: 'lean' },
    minutes: { type: 'string', default: '60' },
  },
});
const { folder, widths } = given;
const python = process.env.PYTHON || pythonTools({ install: true });
const checkpoint = join(folder, `sdxl-${widths}.safetensors`);
const home = join(folder, 'home');
const base = join(home, 'bases', `sdxl-${widths}`);
const dist = join(root, 'remote-agent/dist');
const file = join(folder, `results-${widths}.json`);

/** A text that the system keeps of a process; empty when it has ended, or where the system keeps none. */
const told = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

const peakOf = (pid) => 1024 * Number(/VmHWM:\s*(\d+)/.exec(told(`/proc/${pid}/status`))?.[1] ?? 0);

/** A process and all that it started. */
const family = (pid) => [
  pid,
  ...told(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).flatMap(family),
];

/** Runs a program to its end: its seconds, the most memory that it, or one that it started, had, and the last line
 * it said. */
function measured(command, args, env = {}) {
  return new Promise((done, failed) => {
    const begin = performance.now();
    let peakBytes = 0;
    let said = '';
    const child = spawn(command, args, {
      cwd: root,
      // PyTorch's threads wait for each other without using up the cores of a busy machine.
      env: { ...process.env, DIFFUSERS_VERBOSITY: 'error', OMP_WAIT_POLICY: 'PASSIVE', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const look = setInterval(() => {
      for (const pid of family(child.pid)) peakBytes = Math.max(peakBytes, peakOf(pid));
    }, 10);
    child.stdout.on('data', (text) => {
      said += text;
    });
    child.on('error', failed);
    child.on('close', (code, signal) => {
      clearInterval(look);
      if (code !== 0) failed(new Error(`${command} ended with ${signal ?? code}`));
      else
        done({
          seconds: (performance.now() - begin) / 1000,
          peakBytes,
          said: said.trim().split('\n').at(-1),
        });
    });
  });
}

const tool = (name, ...args) =>
  measured(python, ['-W', 'ignore', join(root, 'tools/full-size', name), ...args]);

/** Bytes of all files below a folder. */
const sizeOf = (path) =>
  readdirSync(path, { withFileTypes: true }).reduce((sum, entry) => {
    const inner = join(path, entry.name);
    return sum + (entry.isDirectory() ? sizeOf(inner) : statSync(inner).size);
  }, 0);

const ours = (method) => async () => {
  const what = { base, method, memory: given.memory, folder };
  const { said } = await measured(process.execPath, [join(dist, 'full-size-step.js'), JSON.stringify(what)], {
    // As the product starts its trainers.
    ...loadingEnvironment({}),
    PARA_HOME: home,
  });
  return { memory: given.memory, latent: Number(given.latent), ...JSON.parse(said) };
};

const theirs = (method) => async () => {
  const { said } = await tool(
    ...['pytorch_step.py', checkpoint, folder, method, '--widths', widths, '--minutes', given.minutes],
  );
  return JSON.parse(said);
};

const stages = {
  checkpoint: async () => {
    const { seconds, peakBytes, said } = await tool('checkpoint.py', checkpoint, '--widths', widths);
    return { seconds, peakBytes, ...JSON.parse(said) };
  },
  import: async () => {
    rmSync(base, { recursive: true, force: true });
    const { seconds, peakBytes } = await measured(
      process.execPath,
      [join(root, 'remote-agent/bin/para.js'), 'base', 'import', checkpoint],
      { PARA_HOME: home },
    );
    return { seconds, peakBytes, bytes: sizeOf(base) };
  },
  values: async () => {
    await tool('values.py', folder, '--widths', widths, '--latent', given.latent);
    return undefined;
  },
  para: ours('para'),
  'para-pytorch': theirs('para'),
  lora: ours('lora'),
  'lora-pytorch': theirs('lora'),
  train: async () => {
    const subject = join(folder, 'dog.para.json');
    const pictures = [1, 2].map((i) => `dog-${i}.png`);
    for (const name of pictures) copyFileSync(join(root, 'examples/dog', name), join(folder, name));
    const settings = {
      ...{ base: `sdxl-${widths}`, pictures, class: 'dog' },
      training: { steps: 3, resolution: 8 * Number(given.latent), memory: given.memory },
      ...{ samples: { every: 0 }, validation: { every: 0 } },
    };
    writeFileSync(subject, JSON.stringify(settings));
    const out = join(folder, 'run');
    rmSync(out, { recursive: true, force: true });
    const { seconds, peakBytes } = await measured(
      process.execPath,
      [join(root, 'remote-agent/bin/para.js'), 'train', subject, '--method', 'para', '--out', out],
      { PARA_HOME: home },
    );
    const events = readFileSync(join(out, 'events.jsonl'), 'utf8').trim().split('\n').map(JSON.parse);
    const losses = events.filter(({ type }) => type === 'step').map(({ loss }) => loss);
    return { seconds, peakBytes, losses, notes: events.filter(({ type }) => type === 'note') };
  },
  growth: async () => {
    // Few channels, so that the graph is what is measured: it has the operators of the full size.
    const [path, small] = [join(folder, 'sdxl-growth.safetensors'), join(home, 'bases/sdxl-growth')];
    await tool('checkpoint.py', path, '--widths', 'small');
    rmSync(small, { recursive: true, force: true });
    await measured(process.execPath, [join(root, 'remote-agent/bin/para.js'), 'base', 'import', path], {
      PARA_HOME: home,
    });
    const what = {
      ...{ base: small, method: 'lora', latent: Number(given.latent) },
      plot: join(root, 'docs/growth.svg'),
    };
    const { said } = await measured(
      process.execPath,
      [join(dist, 'full-size-growth.js'), JSON.stringify(what)],
      { PARA_HOME: home },
    );
    return { rows: JSON.parse(said) };
  },
};

const unknown = positionals.find((name) => !(name in stages));
if (unknown !== undefined) {
  console.error(`There is no stage "${unknown}"; there are ${Object.keys(stages).join(', ')}.`);
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
await bundle({
  entryPoints: {
    para: 'remote-agent/src/cli/main.ts',
    ...trainerPrograms,
    'full-size-step': 'remote-agent/bench/full-size/step.ts',
    'full-size-growth': 'remote-agent/bench/full-size/growth.ts',
    'loading-env': 'remote-agent/src/common/loading-env.ts',
  },
  outdir: dist,
});
const { loadingEnvironment } = await import(pathToFileURL(join(dist, 'loading-env.js')).href);
for (const [name, stage] of Object.entries(stages)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const found = await stage();
  console.log(`${name}: ${found ? JSON.stringify(found) : 'done'}`);
  // After each stage, and read again: stages may run one at a time.
  const results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  if (found) writeFileSync(file, `${JSON.stringify({ ...results, [name]: found }, null, 2)}\n`);
}
