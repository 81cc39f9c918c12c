// Started by scripts/gpu-check.mjs: compares CUDA with the CPU and with PyTorch; writes docs/gpu-check.md with a GPU.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { DeviceName } from '../src/runtime/device.ts';
import { contest, type Outcome } from './contest.ts';
import type { GpuCase, GpuResult } from './gpu-child.ts';
import { markdown } from './section.ts';

interface Options {
  readonly root: string;
  readonly base: string;
  /** Folder with the runtime and its children's programs. */
  readonly folder: string;
  readonly runtime: string;
  readonly libraries: readonly string[];
  /** Absent: no GPU here. */
  readonly gpu?: { readonly name: string; readonly driver: string; readonly memory: string };
  /** The provider is there, GPU or not. */
  readonly provider: boolean;
  readonly torch?: { readonly python: string; readonly pipeline: string; readonly worker: string };
}

const options = JSON.parse(process.argv[2]!) as Options;
const { root, base, folder, gpu, torch } = options;
const steps = 50;
const env = {
  ...process.env,
  LD_LIBRARY_PATH: [...options.libraries, process.env.LD_LIBRARY_PATH ?? ''].filter(Boolean).join(':'),
};

/** One device's run, or what it said when it failed. */
function child(device: DeviceName): GpuResult | string {
  const what: GpuCase = { base, device, steps };
  const done = spawnSync(process.execPath, [join(folder, 'gpu-child.js'), JSON.stringify(what)], {
    ...{ encoding: 'utf8', env, maxBuffer: 2 ** 28 },
  });
  return done.status === 0
    ? (JSON.parse(done.stdout.trim().split('\n').at(-1)!) as GpuResult)
    : done.stderr.trim();
}

/** Largest difference of the losses relative to the CPU's. */
const lossError = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((x, i) => Math.abs(x / b[i]! - 1)));

/** Largest difference of two pictures and the one that 99.9 % of their values stay below, of 255. */
function pictureError(a: GpuResult, b: GpuResult): { largest: number; most: number } {
  const [x, y] = [Buffer.from(a.picture, 'base64'), Buffer.from(b.picture, 'base64')];
  const sorted = [...x].map((value, i) => Math.abs(value - y[i]!)).sort((p, q) => p - q);
  return { largest: sorted.at(-1)!, most: sorted[Math.floor(0.999 * (sorted.length - 1))]! };
}

/** Our work on the GPU and PyTorch's, in turns. */
async function against(
  kind: 'para' | 'lora' | 'generate',
  batch: number,
): Promise<{ kind: string; batch: number; outcome: Outcome }> {
  const rank = kind === 'lora' ? 16 : 2;
  const ours =
    kind === 'generate'
      ? { kind, base, device: 'cuda' }
      : { kind: 'step', base, method: kind, rank, batch, memory: 'fast', device: 'cuda' };
  const theirs = [
    ...[torch!.python, '-W', 'ignore', torch!.worker, torch!.pipeline, kind],
    ...['--batch', String(batch), '--rank', String(rank), '--device', 'cuda'],
  ];
  const command = [process.execPath, join(folder, 'worker.js'), JSON.stringify(ours)];
  const outcome = await contest(command, theirs, { rounds: 9, blockMs: 800, env: [env, process.env] });
  console.log(`${kind} batch ${batch}: ${outcome.ratio.toFixed(2)} x as fast as PyTorch on the GPU`);
  return { kind, batch, outcome };
}

async function main(): Promise<number> {
  const cpu = child('cpu');
  if (typeof cpu === 'string') throw new Error(cpu);
  console.log(
    `CPU: losses of ${steps} steps end at ${cpu.losses.para.at(-1)} (para), ${cpu.losses.lora.at(-1)} (lora)`,
  );
  if (!gpu) {
    const again = child('cpu');
    if (typeof again === 'string') throw new Error(again);
    const same =
      JSON.stringify({ ...again, pictureMs: 0, peakBytes: 0 }) ===
      JSON.stringify({ ...cpu, pictureMs: 0, peakBytes: 0 });
    console.log(
      `The CPU's side of the comparison ${same ? 'repeats itself to the bit' : 'DIFFERS between two runs'}.`,
    );
    if (options.provider) {
      const said = child('cuda');
      const line =
        typeof said === 'string'
          ? (/(?:with error: |CUDA failure)(.*)/.exec(said)?.[0] ?? said.split('\n').at(-1)!)
          : 'it computed, without a GPU that nvidia-smi knows';
      console.log(`The CUDA provider of ONNX Runtime ${options.runtime} says: ${line}`);
    }
    console.log('There is no NVIDIA GPU here: CUDA was not compared, nothing was written.');
    return same ? 0 : 1;
  }
  const cuda = child('cuda');
  if (typeof cuda === 'string') throw new Error(cuda);
  const errors = { para: 0, lora: 0 };
  const halfErrors = { para: 0, lora: 0 };
  for (const method of ['para', 'lora'] as const) {
    errors[method] = lossError(cuda.losses[method], cpu.losses[method]);
    halfErrors[method] = lossError(cuda.halfLosses[method], cpu.losses[method]);
  }
  const picture = pictureError(cuda, cpu);
  const worst = Math.max(...Object.values(errors), ...Object.values(halfErrors));
  const fits = worst < 1e-2 && picture.most <= 8;
  const contests = [];
  if (torch) {
    for (const batch of [1, 4])
      for (const kind of ['para', 'lora'] as const) contests.push(await against(kind, batch));
    contests.push(await against('generate', 1));
  }
  const text = page({ errors, halfErrors, picture, fits, contests });
  writeFileSync(join(root, 'docs/gpu-check.md'), text);
  console.log(text);
  return fits ? 0 : 1;
}

function page(found: {
  readonly errors: Readonly<Record<'para' | 'lora', number>>;
  readonly halfErrors: Readonly<Record<'para' | 'lora', number>>;
  readonly picture: { readonly largest: number; readonly most: number };
  readonly fits: boolean;
  readonly contests: readonly { kind: string; batch: number; outcome: Outcome }[];
}): string {
  const { errors, halfErrors, picture, contests } = found;
  const library = contests[0]?.outcome.library;
  const megabytes = (bytes: number | undefined) => (bytes ? (bytes / 1e6).toFixed(0) : 'not told');
  const rows = contests.map(({ kind, batch, outcome: { ours, theirs, ratio } }) => [
    ...[kind, batch, `**${ratio.toFixed(2)}**`, ours.medianMs.toFixed(1), theirs.medianMs.toFixed(1)],
    ...[megabytes(ours.peakBytes), megabytes(theirs.peakBytes)],
    ...[megabytes(ours.devicePeakBytes), megabytes(theirs.devicePeakBytes)],
  ]);
  const head = [
    ...[
      'work',
      'batch',
      'times as fast',
      'ours, ms',
      'PyTorch, ms',
      'our process, MB',
      "PyTorch's process, MB",
    ],
    ...['ours on the GPU, MB', "PyTorch's on the GPU, MB"],
  ];
  return `# On a GPU
\`npm run gpu-check\` wrote this on ${new Date().toISOString().slice(0, 10)}: ${gpu!.name} (${gpu!.memory}), driver ${gpu!.driver}, ONNX Runtime ${options.runtime}, Node ${process.version}, ${cpus().length} x ${cpus()[0]!.model.trim()}${library ? `; ${library}` : ''}.

## CUDA and CPU
${markdown(
  ['what', 'largest difference'],
  [
    [`losses of ${steps} steps, para`, `${errors.para.toExponential(1)} relative`],
    [`losses of ${steps} steps, lora`, `${errors.lora.toExponential(1)} relative`],
    ['the same in half precision, para', `${halfErrors.para.toExponential(1)} relative`],
    ['the same in half precision, lora', `${halfErrors.lora.toExponential(1)} relative`],
    ['one picture, 99.9 % of its values', `${picture.most} of 255`],
    ['one picture, all of its values', `${picture.largest} of 255`],
  ],
)}

${found.fits ? 'Within the bounds (1e-2 and 8 of 255: CUDA rounds matrix products to TF32).' : '**Outside the bounds of 1e-2 and 8 of 255.**'}

## Against PyTorch on the same GPU
${rows.length > 0 ? markdown(head, rows) : 'Not compared: PyTorch is not installed (`npm run gpu-check -- --pytorch`).'}
`;
}

process.exitCode = await main();
