// One device's part of `npm run gpu-check`: the losses of a training run and a picture; JSON in, JSON out.
import { openBase } from '../src/diffusion/base.ts';
import { Generator } from '../src/diffusion/generate.ts';
import type { DeviceName } from '../src/runtime/device.ts';
import { resident } from './memory.ts';
import { openStep } from './run-step.ts';

/** Which device to use and how long to train. */
export interface GpuCase {
  readonly base: string;
  readonly device: DeviceName;
  readonly steps: number;
}

export interface GpuResult {
  /** Loss of each step by method, in single and in half precision. */
  readonly losses: Readonly<Record<'para' | 'lora', readonly number[]>>;
  readonly halfLosses: Readonly<Record<'para' | 'lora', readonly number[]>>;
  /** RGB of one picture, base64. */
  readonly picture: string;
  readonly pictureMs: number;
  readonly peakBytes: number;
}

const { base, device, steps } = JSON.parse(process.argv[2]!) as GpuCase;
const losses = { para: [] as number[], lora: [] as number[] };
const halfLosses = { para: [] as number[], lora: [] as number[] };
for (const method of ['para', 'lora'] as const)
  for (const precision of ['f32', 'f16'] as const) {
    const rank = method === 'para' ? 2 : 16;
    const what = { kind: 'step', base, method, rank, batch: 1, memory: 'fast', device, precision } as const;
    const step = await openStep(what);
    const list = (precision === 'f16' ? halfLosses : losses)[method];
    for (let i = 0; i < steps; i++) list.push(await step());
  }
const generator = new Generator(openBase(base), { device });
const begin = performance.now();
const [picture] = await generator.generate({
  prompt: 'a red apple on a blue background',
  ...{ seed: 1, steps: 30, guidance: 5, scheduler: 'ddim' },
});
const result: GpuResult = {
  losses,
  halfLosses,
  picture: Buffer.from(picture!.pixels).toString('base64'),
  pictureMs: performance.now() - begin,
  peakBytes: resident('VmHWM'),
};
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
