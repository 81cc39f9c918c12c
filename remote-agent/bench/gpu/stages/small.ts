// Correctness on the small base: the CPU's numbers, and the device's against them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CorrectCase, CorrectResult, CorrectStep } from '../correct-child.ts';
import { type Bounds, checksOf } from '../errors.ts';
import type { GpuOptions, Stage, StageContext } from '../stage.ts';

const training = 10;
const methods = ['para', 'lora'] as const;

const steps: readonly CorrectStep[] = methods.flatMap((method): CorrectStep[] => [
  { method, memory: 'fast', precision: 'f32', training },
  { method, memory: 'lean', precision: 'f32' },
]);
/** `lean` computes what `fast` computes: the CPU need not do both. */
const fast = steps.filter(({ memory }) => memory === 'fast');
const inHalf: readonly CorrectStep[] = methods.map((method) => ({
  ...{ method, memory: 'fast', precision: 'f16', training },
}));
/** Small latents: a driver in software compiles and computes slowly. */
const webgpuSide = 8;
const onWebgpu: readonly CorrectStep[] = [
  { method: 'lora', memory: 'lean', precision: 'f32' },
  { method: 'para', memory: 'fast', precision: 'f32' },
];

/** Nothing is rounded to TF32. Training goes by the signs of small gradients at first, and rounding shows there. */
const exact: Bounds = { loss: 1e-5, gradient: 1e-4, training: 1e-2, picture: 2 };
/** As the provider computes unless told otherwise: factors of matrix products have 10 bits. */
const rounded: Bounds = { loss: 1e-3, gradient: 1e-2, training: 1e-2, picture: 8 };
const half: Bounds = { loss: 1e-3, gradient: 2e-2, training: 1e-2, picture: 8 };

/** Keeps CUDA's libraries from rounding to TF32. */
export const withoutTf32 = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...env,
  NVIDIA_TF32_OVERRIDE: '0',
});

const fileOf = ({ work }: GpuOptions, name: string) => join(work, `small-${name}.json`);

async function computed(
  context: StageContext,
  name: string,
  what: Omit<CorrectCase, 'base' | 'file'>,
  env = context.env,
): Promise<CorrectResult> {
  const file = fileOf(context.options, name);
  await context.program('gpu-correct', { ...what, base: context.options.base, file }, env);
  return JSON.parse(readFileSync(file, 'utf8')) as CorrectResult;
}

const known = (options: GpuOptions, name: string) =>
  JSON.parse(readFileSync(fileOf(options, name), 'utf8')) as CorrectResult;

export const reference: Stage = {
  name: 'reference',
  seconds: 10,
  untimed: true,
  made: (options) => existsSync(fileOf(options, 'cpu')),
  async run(context) {
    const { steps: made } = await computed(context, 'cpu', { device: 'cpu', steps: fast, picture: 30 });
    return {
      kind: 'facts',
      facts: Object.fromEntries(made.map((s) => [`loss, ${s.method}, ${s.memory}`, s.loss])),
    };
  },
};

export const small: Stage = {
  name: 'small',
  seconds: 25,
  untimed: true,
  needs: ['reference'],
  async run(context) {
    const { device } = context.options;
    const wanted = known(context.options, 'cpu');
    const env = withoutTf32(context.env);
    const all = [...steps, ...inHalf];
    const found = await computed(context, device, { device, steps: all, picture: 30 }, env);
    const tf32 =
      device === 'cuda'
        ? [await computed(context, `${device}-tf32`, { device, steps: fast, picture: 30 })]
        : [];
    return {
      kind: 'checks',
      checks: [
        ...checksOf(found, wanted, { f32: exact, f16: half }),
        ...tf32.flatMap((result) => checksOf(result, wanted, { f32: rounded, f16: half }, ', TF32')),
      ],
    };
  },
};

export const webgpu: Stage = {
  name: 'webgpu',
  seconds: 20,
  untimed: true,
  async run(context) {
    const side = webgpuSide;
    const wanted = await computed(context, 'webgpu-cpu', { device: 'cpu', steps: onWebgpu, side });
    const found = await computed(context, 'webgpu', { device: 'webgpu', steps: onWebgpu, side });
    const placed = found.steps.flatMap(({ placement }) => placement ?? []);
    return {
      kind: 'checks',
      checks: checksOf(found, wanted, { f32: exact, f16: half }, ', WebGPU'),
      ...(placed.length > 0 ? { facts: { 'where operators run': placed.join('; ') } } : {}),
    };
  },
};
