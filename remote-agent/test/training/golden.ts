import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chooseLayers } from '../../src/adapters/layers.ts';
import type { AdapterPlan, FloatTensor, MethodName } from '../../src/adapters/method.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { decodeSafetensors } from '../../src/adapters/safetensors.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { StepEngine } from '../../src/training/engine.ts';

/** A path below `test/golden`. */
export const goldenPath = (name: string): string =>
  fileURLToPath(new URL(`../golden/${name}`, import.meta.url));

/** A golden file's tensors and metadata. */
export const golden = (name: string) => decodeSafetensors(readFileSync(goldenPath(name)), name);

export const tinyBase = () => openBase(goldenPath('bases/tiny-optimum'));

/** Tensors whose names start with `prefix`, without it. */
export function under(tensors: ReadonlyMap<string, FloatTensor>, prefix: string): Map<string, FloatTensor> {
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
  );
}

/** An engine on the tiny base for latents of 8 x 8, with one rank for all attention layers. */
export function tinyEngine(name: MethodName, rank: number, batch: number): Promise<StepEngine> {
  const base = tinyBase();
  const method = methodByName(name);
  const settings = name === 'para' ? { rank, gamma: 1 } : { rank };
  return StepEngine.create({
    base,
    method,
    plan: (layers) => method.plan(chooseLayers(layers, 'attention'), settings),
    shapes: { batch, latentChannels: base.latentChannels, latentHeight: 8, latentWidth: 8, tokens: 16 },
    device: 'cpu',
  });
}

/** Euclidean distance of two vectors over the length of the second. */
export function relativeError(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let difference = 0;
  let total = 0;
  for (let i = 0; i < wanted.length; i++) {
    difference += (found[i]! - wanted[i]!) ** 2;
    total += wanted[i]! ** 2;
  }
  return Math.sqrt(difference / total);
}

/** Change of each layer's weight, f32[dOut, dIn], that an adapter stands for; `weights` as [dOut, dIn]. */
export function weightUpdates(
  name: MethodName,
  plan: AdapterPlan,
  parameters: Float32Array,
  weights: ReadonlyMap<string, Float32Array>,
): Map<string, Float32Array> {
  const method = methodByName(name);
  const scales = new Map(plan.layers.map(({ path }) => [path, plan.scale]));
  const updates = new Map<string, Float32Array>();
  for (const operator of method.operators(method.tensors(plan, parameters), scales)) {
    const { path, dOut, rank } = operator;
    const weight = weights.get(path)!;
    const dIn = weight.length / dOut;
    const update = new Float32Array(dOut * dIn);
    // PaRa: -Q (Q^T W0); LoRA: scale up down.
    const left = operator.kind === 'projection' ? operator.basis : operator.up;
    const right = new Float64Array(rank * dIn);
    for (let k = 0; k < rank; k++)
      for (let j = 0; j < dIn; j++) {
        if (operator.kind === 'addition') right[k * dIn + j] = operator.scale * operator.down[k * dIn + j]!;
        else
          for (let o = 0; o < dOut; o++)
            right[k * dIn + j] = right[k * dIn + j]! - operator.basis[o * rank + k]! * weight[o * dIn + j]!;
      }
    for (let o = 0; o < dOut; o++)
      for (let k = 0; k < rank; k++)
        for (let j = 0; j < dIn; j++)
          update[o * dIn + j] = update[o * dIn + j]! + left[o * rank + k]! * right[k * dIn + j]!;
    updates.set(path, update);
  }
  return updates;
}
