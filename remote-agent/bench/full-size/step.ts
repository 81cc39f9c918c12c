// Our side of the full-size check: plans a training step, makes three and keeps their losses and gradients.
// A case as JSON in, a result as JSON out; gradients go to files that the other side reads.
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/adapters/safetensors.ts';
import { type Lap, lapChannel } from '../../src/common/lap.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { trainingBytes } from '../../src/diffusion/training-memory.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { weightBytes } from '../../src/onnx/weights.ts';
import type { DeviceName } from '../../src/runtime/device.ts';
import { StepEngine } from '../../src/training/engine.ts';
import { clipFactor } from '../../src/training/optimizer.ts';
import { resident } from '../memory.ts';
import { trainersOptimizer } from '../optimizer.ts';
import { OwnMemory } from './own-memory.ts';

export interface FullSizeCase {
  /** Folder of the base. */
  readonly base: string;
  readonly method: 'para' | 'lora';
  readonly memory: 'fast' | 'lean';
  /** Folder with inputs.safetensors and METHOD.safetensors (the adapter's values); gradients are written there. */
  readonly folder: string;
  /** Default `cpu` and `f32`. */
  readonly device?: DeviceName;
  readonly precision?: 'f32' | 'f16';
  /** How many steps; default as many as there are inputs. */
  readonly steps?: number;
  /** What files of gradients begin with; default the method. */
  readonly name?: string;
}

export interface FullSizeResult {
  readonly layers: number;
  readonly parameters: number;
  /** What planning consists of, in the order of its work, milliseconds. */
  readonly planning: Readonly<Record<string, number>>;
  readonly planningMs: number;
  /** Most memory of the process's own while it planned, and what of it are f32 copies of the weights, bytes. */
  readonly planningBytes: number;
  readonly copiedBytes: number;
  /** What is left of it for the steps. */
  readonly plannedBytes: number;
  readonly stepMs: readonly number[];
  readonly losses: readonly number[];
  readonly gradientNorms: readonly number[];
  /** Processor time of the steps, all threads together: it depends less on other work of the machine. */
  readonly processorMs: readonly number[];
  /** Most memory of the process's own by part of the steps, and over all of them with mapped files, bytes. */
  readonly stepBytes: Readonly<Record<'bases' | 'session' | 'pullback' | 'optimiser and files', number>>;
  readonly peakBytes: number;
  /** What the product says beforehand that this training takes, bytes. */
  readonly estimatedBytes: number;
  /** Pages that the machine moved to its swap meanwhile. */
  readonly swappedPages: number;
}

/** Swapped out pages of the machine since its start; NaN where the system keeps no count. */
function swapped(): number {
  try {
    return Number(/^pswpout (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}

const what = JSON.parse(process.argv[2]!) as FullSizeCase;
const swappedBefore = swapped();
const own = new OwnMemory();
const method = methodByName(what.method);
const read = (name: string) => decodeSafetensors(readFileSync(join(what.folder, name)), name).tensors;

const planning: Record<string, number> = {};
let last = performance.now();
const begin = last;
subscribe(lapChannel, (message) => {
  const { part, at } = message as Lap;
  planning[part] = (planning[part] ?? 0) + at - last;
  last = at;
});
const base = openBase(what.base);
planning['open the base'] = performance.now() - begin;
last = performance.now();
const inputs = read('inputs.safetensors');
const [, latentChannels, latentHeight, latentWidth] = inputs.get('noisy')!.dims as [
  number,
  number,
  number,
  number,
];
const shapes = { batch: 1, latentChannels, latentHeight, latentWidth, tokens: base.textEncoders[0]!.tokens };
last = performance.now();
const adapting = {
  method,
  plan: (layers: Parameters<typeof chooseLayers>[0]) => method.plan(chooseLayers(layers, 'attention'), {}),
};
const { memory, device = 'cpu', precision = 'f32', name = what.method } = what;
const engine = await StepEngine.create({ base, shapes, device, memory, precision, ...adapting });
const planningMs = performance.now() - begin;
const planningParts = { ...planning };
const planningBytes = own.most();
const plannedBytes = resident('RssAnon');

const { plan } = engine;
const parameters = method.fromTensors(plan, read(`${what.method}.safetensors`));
const optimizer = trainersOptimizer(parameters.length);
const steps = what.steps ?? inputs.get('noisy')!.dims[0]!;
const row = (port: string, step: number) => {
  const { dims, data } = inputs.get(port)!;
  return data.slice((step * data.length) / dims[0]!, ((step + 1) * data.length) / dims[0]!);
};
const [stepMs, losses, gradientNorms] = [[] as number[], [] as number[], [] as number[]];
const processorMs: number[] = [];
const stepBytes = { bases: 0, session: 0, pullback: 0, 'optimiser and files': 0 };
const note = (part: keyof typeof stepBytes) => {
  stepBytes[part] = Math.max(stepBytes[part], own.most());
};
for (let step = 0; step < steps; step++) {
  const start = performance.now();
  const used = process.cpuUsage();
  const coefficients = await engine.coefficients(parameters);
  note('bases');
  const batch = {
    ...{ noisy: row('noisy', step), target: row('target', step), weights: Float32Array.of(1) },
    ...{ timesteps: [row('timesteps', step)[0]!], hidden: row('hidden', step) },
    ...{ pooled: row('pooled', step), timeIds: row('time_ids', step) },
  };
  const { loss, gradient } = await engine.run(coefficients, batch, 1024);
  note('session');
  const back = await engine.pullback(coefficients, gradient);
  note('pullback');
  stepMs.push(performance.now() - start);
  const { user, system } = process.cpuUsage(used);
  processorMs.push((user + system) / 1000);
  losses.push(loss);
  gradientNorms.push(Math.sqrt(back.reduce((sum, x) => sum + x * x, 0)));
  writeFileSync(
    join(what.folder, `${name}.gradient.${step}.safetensors`),
    encodeSafetensors(method.tensors(plan, back), { loss: String(loss) }),
  );
  optimizer.update(parameters, back, 1e-4, clipFactor(optimizer.norm(back), 1));
  note('optimiser and files');
}
const peakBytes = resident('VmHWM');
own.stop();
await engine.release();
const result: FullSizeResult = {
  layers: plan.layers.length,
  parameters: plan.parameterCount,
  planning: planningParts,
  ...{ planningMs, planningBytes, plannedBytes },
  copiedBytes: weightBytes(loadGraph(base.unet)),
  ...{ stepMs, processorMs, losses, gradientNorms, stepBytes, peakBytes },
  estimatedBytes: trainingBytes(base, shapes, memory, adapting, { device, precision }),
  swappedPages: swapped() - swappedBefore,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
