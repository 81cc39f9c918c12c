// One device's part of the comparisons on the small base: losses, gradients and a picture; JSON in, JSON in a file out.
import { writeFileSync } from 'node:fs';
import { Random } from '../../src/common/random.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { Generator } from '../../src/diffusion/generate.ts';
import type { DeviceName } from '../../src/runtime/device.ts';
import { openTraining } from '../run-step.ts';

/** A step whose loss and gradient are told. */
export interface CorrectStep {
  readonly method: 'para' | 'lora';
  readonly memory: 'fast' | 'lean';
  readonly precision: 'f32' | 'f16';
  /** Further steps, with AdamW between them, whose losses are told. */
  readonly training?: number;
}

export interface CorrectCase {
  readonly base: string;
  readonly device: DeviceName;
  /** Side of the latents; default the base's own. */
  readonly side?: number;
  readonly steps: readonly CorrectStep[];
  /** Steps of the picture; absent: none is drawn. */
  readonly picture?: number;
  /** Where the result is written. */
  readonly file: string;
}

/** Loss and gradient in the parameters (f32, base64), and the losses of the training after it. */
export interface CorrectStepResult extends CorrectStep {
  readonly loss: number;
  readonly gradient: string;
  readonly losses: readonly number[];
  readonly placement?: string;
}

export interface CorrectResult {
  readonly steps: readonly CorrectStepResult[];
  /** RGB, base64. */
  readonly picture?: string;
}

const what = JSON.parse(process.argv[2]!) as CorrectCase;
const { base, device } = what;
const base64 = ({ buffer, byteOffset, byteLength }: Float32Array | Uint8Array) =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');

async function measured(step: CorrectStep): Promise<CorrectStepResult> {
  const { training = 0, ...given } = step;
  const side = what.side === undefined ? {} : { side: what.side };
  const {
    engine,
    data,
    step: train,
  } = await openTraining({
    ...{ kind: 'step', base, device, batch: 1, ...given, ...side },
    // The smallest rank would leave little of PaRa on a small base.
    ...(given.method === 'para' ? { rank: 2 } : {}),
  });
  const random = new Random(5, 'parameters');
  const parameters = Float32Array.from({ length: engine.plan.parameterCount }, () => 0.05 * random.normal());
  const coefficients = await engine.coefficients(parameters);
  const { loss, gradient } = await engine.run(coefficients, data, 1024);
  const back = await engine.pullback(coefficients, gradient);
  const losses: number[] = [];
  for (let i = 0; i < training; i++) losses.push(await train());
  const { placement } = engine;
  await engine.release();
  return { ...step, loss, gradient: base64(back), losses, ...(placement ? { placement } : {}) };
}

const steps: CorrectStepResult[] = [];
for (const step of what.steps) steps.push(await measured(step));
let picture: string | undefined;
if (what.picture !== undefined) {
  const generator = new Generator(openBase(base), { device });
  const [drawn] = await generator.generate({
    prompt: 'a red apple on a blue background',
    ...{ seed: 1, steps: what.picture, guidance: 5, scheduler: 'ddim' },
  });
  picture = base64(drawn!.pixels);
}
const result: CorrectResult = { steps, ...(picture === undefined ? {} : { picture }) };
writeFileSync(what.file, JSON.stringify(result));
// Providers of GPUs may not end by themselves.
process.stdout.write('{}\n', () => process.exit(0));
