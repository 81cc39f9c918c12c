import { expect } from 'vitest';
import type { FloatTensor, MethodName } from '../../src/adapters/method.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { findLayers, readWeight } from '../../src/onnx/modules.ts';
import type { StepEngine } from '../../src/training/engine.ts';
import { noisedExample, type Prediction } from '../../src/training/objective.ts';
import { Optimizer } from '../../src/training/optimizer.ts';
import { relativeError, under, weightUpdates } from './golden.ts';

type Tensors = ReadonlyMap<string, FloatTensor>;

const adamw = { kind: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 } as const;

/** Holds loss and gradients of one batch of two against those that PyTorch computed in f64. Frees the engine. */
export async function expectGradients(engine: StepEngine, name: MethodName, tensors: Tensors, label: string) {
  const input = (key: string) => tensors.get(`in.${key}`)!.data;
  const method = methodByName(name);
  const parameters = method.fromTensors(engine.plan, under(tensors, `${name}.start.`));
  const times = [...input('timesteps')];
  const coefficients = await engine.coefficients(parameters);
  const { loss, gradient } = await engine.run(coefficients, {
    noisy: input('latents'),
    target: input('target'),
    weights: Float32Array.of(1, 1),
    timesteps: times.length === 1 ? [times[0]!, times[0]!] : times,
    hidden: input('hidden'),
    pooled: input('pooled'),
    timeIds: input('time_ids'),
  });
  expect(Math.abs(loss / tensors.get(`${name}.loss`)!.data[0]! - 1)).toBeLessThan(1e-5);
  const found = method.tensors(engine.plan, await engine.pullback(coefficients, gradient));
  const wanted = under(tensors, `${name}.grad.`);
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  let worst = { key: '', error: 0 };
  for (const [key, { data }] of wanted) {
    const error = relativeError(found.get(key)!.data, data);
    if (!(error <= worst.error)) worst = { key, error };
  }
  console.log(
    `${label} ${name}: ${wanted.size} gradients, largest error ${worst.error.toExponential(2)} of the norm (${worst.key})`,
  );
  expect(worst.error, worst.key).toBeLessThan(1e-3);
  await engine.release();
}

export interface PeftRun {
  readonly name: MethodName;
  readonly optimiser: 'sgd' | 'adamw';
  readonly prediction: Prediction;
  readonly rate: number;
  /** Names of the tensors of the start (a prefix) and of the losses. */
  readonly start: string;
  readonly losses: string;
}

/**
 * Makes the steps that PEFT made, from the same start, noise and timesteps.
 * @returns the largest relative difference of a loss, and the change of each layer's weight, f32[dOut, dIn]
 */
export async function repeatSteps(
  engine: StepEngine,
  unet: string,
  tensors: Tensors,
  { name, optimiser, prediction, rate, start, losses }: PeftRun,
): Promise<{ worst: number; updates: Map<string, Float32Array> }> {
  const rows = (key: string) => {
    const { data, dims } = tensors.get(`in.${key}`)!;
    const length = data.length / dims[0]!;
    return (i: number) => data.slice(i * length, (i + 1) * length);
  };
  const [latents, noise] = [rows('latents'), rows('noise')];
  const [hidden, pooled, timeIds] = [rows('hidden'), rows('pooled'), rows('time_ids')];
  const examples = tensors.get('in.latents')!.dims[0]!;
  const alphas = tensors.get('in.alphas')!.data;
  const times = tensors.get('in.timesteps')!.data;
  const wanted = tensors.get(losses)!.data;
  const method = methodByName(name);
  const parameters = method.fromTensors(engine.plan, under(tensors, start));
  const settings = optimiser === 'sgd' ? ({ ...adamw, kind: 'sgd', weightDecay: 0 } as const) : adamw;
  const optimizer = new Optimizer(parameters.length, settings);
  let worst = 0;
  for (const [step, loss] of wanted.entries()) {
    const i = step % examples;
    const t = times[step]!;
    const { noisy, target } = noisedExample(latents(i), noise(step), alphas[t]!, prediction, null);
    const coefficients = await engine.coefficients(parameters);
    const made = await engine.run(coefficients, {
      ...{ noisy, target, weights: Float32Array.of(1), timesteps: [t] },
      ...{ hidden: hidden(i), pooled: pooled(i), timeIds: timeIds(i) },
    });
    optimizer.update(parameters, await engine.pullback(coefficients, made.gradient), rate);
    worst = Math.max(worst, Math.abs(made.loss / loss - 1));
  }
  const graph = loadGraph(unet);
  const weights = new Map(findLayers(graph).layers.map((l) => [l.path, readWeight(graph, l)]));
  return { worst, updates: weightUpdates(name, engine.plan, parameters, weights) };
}

/** Holds the distance to PEFT's steps to what rounding allows; AdamW amplifies it. */
export function expectNear(
  label: string,
  optimiser: PeftRun['optimiser'],
  worst: number,
  change: number,
): void {
  console.log(
    `${label}: losses within ${worst.toExponential(2)}, weight update within ${change.toExponential(2)}`,
  );
  expect(worst).toBeLessThan(1e-4);
  expect(change).toBeLessThan(optimiser === 'sgd' ? 1e-3 : 1e-2);
}
