// The checkpoint as a user has one, and one step of it held against the CPU and PyTorch.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { decodeSafetensors } from '../../../src/adapters/safetensors.ts';
import type { FullSizeCase, FullSizeResult } from '../../full-size/step.ts';
import { differenceByNorm } from '../../numbers.ts';
import type { Check } from '../results.ts';
import { type GpuOptions, latentOf, type Stage, type StageContext } from '../stage.ts';
import { withoutTf32 } from './small.ts';

type Method = 'para' | 'lora';

/** The file that the base points into. */
export const checkpointOf = ({ checkpoint, work, widths }: GpuOptions): string =>
  checkpoint ?? join(work, `sdxl-${widths}.safetensors`);

/** What results of one checkpoint stand under: those of another one are not its own. */
function keyOf({ checkpoint, widths }: GpuOptions): string {
  if (!checkpoint) return widths;
  const { size, mtimeMs } = statSync(checkpoint);
  const digest = createHash('sha256').update(`${checkpoint} ${size} ${mtimeMs}`).digest('hex');
  return `${widths}-${digest.slice(0, 8)}`;
}

const baseName = (options: GpuOptions): string => `sdxl-${keyOf(options)}`;

export const importedBase = (options: GpuOptions): string =>
  join(options.work, 'home/bases', baseName(options));

/** Values and gradients of the step that is checked. */
const stepFolder = (options: GpuOptions): string =>
  join(options.work, `step-${keyOf(options)}-${options.checkedPixels}`);

const megabytes = (bytes: number) => Math.round(bytes / 1e6);

/** Steps and values that are being made, by name: stages that run beside each other make nothing twice. */
const making = new Map<string, Promise<FullSizeResult | undefined>>();

/** Makes something, or waits for whoever is making it. @returns what that measured */
async function once(
  name: string,
  make: () => Promise<FullSizeResult | undefined>,
): Promise<FullSizeResult | undefined> {
  const begun = making.get(name) ?? make().finally(() => making.delete(name));
  making.set(name, begun);
  return begun;
}

export const checkpoint: Stage = {
  name: 'checkpoint',
  seconds: 25,
  made: (options) => existsSync(checkpointOf(options)) && existsSync(importedBase(options)),
  async run(context) {
    const { options } = context;
    const path = checkpointOf(options);
    const facts: Record<string, string | number> = {};
    if (!existsSync(path)) {
      const begin = performance.now();
      // Under another name until it is whole.
      const draft = `${path}.part`;
      await context.tool('full-size/checkpoint.py', draft, '--widths', options.widths);
      renameSync(draft, path);
      facts['written in, s'] = Math.round((performance.now() - begin) / 1000);
    }
    rmSync(importedBase(options), { recursive: true, force: true });
    const said = await context.program('gpu-import', { path, name: baseName(options) });
    const { ms, peakBytes } = JSON.parse(said) as { ms: number; peakBytes: number };
    facts['size, MB'] = megabytes(statSync(path).size);
    facts['imported in, ms'] = Math.round(ms);
    facts['memory of the import, MB'] = megabytes(peakBytes);
    return { kind: 'facts', facts };
  },
};

/** Inputs and adapters that all sides start from. */
async function makeValues(context: StageContext): Promise<string> {
  const { options } = context;
  const folder = stepFolder(options);
  const latent = String(latentOf(options.checkedPixels));
  mkdirSync(folder, { recursive: true });
  const make = async () => {
    if (existsSync(join(folder, 'para.safetensors'))) return undefined;
    await context.tool('full-size/values.py', folder, '--widths', options.widths, '--latent', latent);
    return undefined;
  };
  await once(folder, make);
  return folder;
}

async function ours(
  context: StageContext,
  method: Method,
  name: string,
  what: Pick<FullSizeCase, 'device' | 'precision'>,
): Promise<FullSizeResult> {
  const folder = await makeValues(context);
  const base = importedBase(context.options);
  const given: FullSizeCase = { base, method, folder, memory: 'lean', steps: 1, name, ...what };
  return JSON.parse(
    await context.program('full-size-step', given, withoutTf32(context.env)),
  ) as FullSizeResult;
}

const gradientFile = (options: GpuOptions, name: string) =>
  join(stepFolder(options), `${name}.gradient.0.safetensors`);

const single = (method: Method, { device }: GpuOptions) => `${method}.${device}.f32`;

/** Relative difference of losses and of whole gradients (by norm) of two files of ours. */
function difference(found: string, wanted: string): { readonly loss: number; readonly gradient: number } {
  const [a, b] = [found, wanted].map((path) => decodeSafetensors(readFileSync(path), path));
  const gradient = differenceByNorm(
    [...b!.tensors].map(([name, { data }]) => [a!.tensors.get(name)!.data, data]),
  );
  const [mine, theirs] = [a!, b!].map(({ metadata }) => Number(metadata.loss));
  return { loss: Math.abs(mine! / theirs! - 1), gradient };
}

const bounds = { f32: { loss: 1e-5, gradient: 1e-4 }, f16: { loss: 1e-3, gradient: 2e-2 } } as const;

function pair(
  what: string,
  against: string,
  found: { loss: number; gradient: number },
  precision: 'f32' | 'f16',
) {
  return (['loss', 'gradient'] as const).map(
    (part): Check => ({
      ...{ what: `${part}, ${what}, ${precision}`, against },
      ...{ value: found[part], bound: bounds[precision][part] },
    }),
  );
}

const needed = 20e9;

const described = (method: Method, { widths, checkedPixels }: GpuOptions) =>
  `${method}, ${widths} size, ${checkedPixels} px`;

/** PaRa's step on the CPU and on the device. */
export const largeCpu: Stage = {
  name: 'large-cpu',
  seconds: 70,
  untimed: true,
  needs: ['checkpoint'],
  async run(context) {
    const { options } = context;
    const { widths, device } = options;
    if (widths === 'full' && totalmem() < needed)
      throw new Error(`a full-size step on the CPU needs ${needed / 1e9} GB of memory`);
    const { stepMs, planningMs, peakBytes } = await ours(context, 'para', 'para.cpu', { device: 'cpu' });
    const file = gradientFile(options, single('para', options));
    await once(file, async () =>
      existsSync(file) ? undefined : ours(context, 'para', single('para', options), { device }),
    );
    const found = difference(file, gradientFile(options, 'para.cpu'));
    return {
      kind: 'checks',
      checks: pair(described('para', options), 'CPU, f32', found, 'f32'),
      facts: {
        'planned on the CPU in, s': Math.round(planningMs / 1000),
        'a step of the CPU, s': Math.round(stepMs[0]! / 1000),
        'memory, MB': megabytes(peakBytes),
      },
    };
  },
};

interface TheirStep {
  readonly lossError: number;
  readonly gradientError: number;
  readonly others?: Readonly<Record<string, TheirStep>>;
}

const largeStep = (method: Method): Stage => ({
  name: `large-${method}`,
  seconds: 55,
  untimed: true,
  needs: ['checkpoint'],
  async run(context) {
    const { options } = context;
    const { device, widths } = options;
    const what = described(method, options);
    const [whole, halved] = [single(method, options), `${method}.${device}.f16`];
    const made = await once(gradientFile(options, whole), () =>
      ours(context, method, whole, { device, precision: 'f32' }),
    );
    await ours(context, method, halved, { device, precision: 'f16' });
    const checks: Check[] = [];
    const said = await context.tool(
      ...(['full-size/pytorch_step.py', checkpointOf(options), stepFolder(options), method] as const),
      ...['--widths', widths, '--steps', '1', '--device', device === 'cuda' ? 'cuda' : 'cpu'],
      ...['--ours', whole, halved],
    );
    const { library, steps } = JSON.parse(said) as { library: string; steps: TheirStep[] };
    const theirs = { [whole]: steps[0]!, ...steps[0]!.others };
    for (const [name, precision] of [
      [whole, 'f32'],
      [halved, 'f16'],
    ] as const) {
      const { lossError, gradientError } = theirs[name]!;
      const found = { loss: lossError, gradient: gradientError };
      checks.push(...pair(what, 'PyTorch, f32, same device', found, precision));
    }
    return {
      kind: 'checks',
      checks,
      facts: {
        'PyTorch is': library,
        ...(made ? { 'planned in, s': Math.round(made.planningMs / 1000) } : {}),
      },
    };
  },
});

export const largePara = largeStep('para');
export const largeLora = largeStep('lora');
