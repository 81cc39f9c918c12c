import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import type { FloatTensor, MethodName } from '../../src/adapters/method.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { findLayers, readWeight } from '../../src/onnx/modules.ts';
import { StepEngine } from '../../src/training/engine.ts';
import { noisedExample } from '../../src/training/objective.ts';
import { Optimizer } from '../../src/training/optimizer.ts';
import { golden, goldenPath, relativeError, under, weightUpdates } from './golden.ts';

const names = ['tiny-optimum', 'tiny-dynamo'];
const ranks = { lora: 4, para: 2 } as const;
const parityBases = readdirSync(goldenPath('parity')).map((file) => file.replace(/\.safetensors$/, ''));
const adamw = { kind: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 } as const;

/** A test base's folder, or that of a base that ships. */
function folderOf(base: string): string {
  const test = goldenPath(`bases/${base}`);
  return existsSync(test) ? test : goldenPath(`../../bases/${base}`);
}

/** An engine of one rank on the layers with the given paths. */
function engineOf(
  base: string,
  name: MethodName,
  rank: number,
  tensors: ReadonlyMap<string, FloatTensor>,
  batch: number,
  paths: string[],
) {
  const tokens = tensors.get('in.hidden')!.dims[1]!;
  const [, , latentHeight, latentWidth] = tensors.get('in.latents')!.dims as [number, number, number, number];
  const method = methodByName(name);
  const opened = openBase(folderOf(base));
  const settings = name === 'para' ? { rank, gamma: 1 } : { rank };
  return StepEngine.create({
    base: opened,
    method,
    plan: (layers) => method.plan(chooseLayers(layers, paths), settings),
    shapes: { batch, latentChannels: opened.latentChannels, latentHeight, latentWidth, tokens },
    device: 'cpu',
  });
}

describe.each(names)('the U-Net of %s', (base) => {
  it('has the module paths and weight shapes that diffusers gives it', () => {
    const text = readFileSync(goldenPath(`unet/${base}.modules.json`), 'utf8');
    const wanted = JSON.parse(text) as Record<string, [string, number[]]>;
    const { layers, unnamed } = findLayers(loadGraph(goldenPath(`bases/${base}/unet/model.onnx`)));
    expect(unnamed).toEqual([]);
    const shape = (l: (typeof layers)[number]) =>
      l.kind === 'conv' ? [l.dOut, l.dIn, ...l.kernel] : [l.dOut, l.dIn];
    expect(Object.fromEntries(layers.map((l) => [l.path, [l.kind, shape(l)]]))).toEqual(wanted);
  });

  it.each(['lora', 'para'] as const)(
    "gives PyTorch's f64 gradients of %s on linear and convolution layers within 1e-3",
    async (name) => {
      const { tensors } = golden(`unet/${base}.safetensors`);
      const input = (key: string) => tensors.get(`in.${key}`)!.data;
      const start = under(tensors, `${name}.start.`);
      const paths = [...new Set([...start.keys()].map((key) => key.replace(/\.\w+\.weight$/, '')))];
      const engine = await engineOf(base, name, ranks[name], tensors, 2, paths);
      const method = methodByName(name);
      const parameters = method.fromTensors(engine.plan, start);
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
        `${base} ${name}: ${wanted.size} gradients, worst ${worst.error.toExponential(2)} (${worst.key})`,
      );
      expect(worst.error, worst.key).toBeLessThan(1e-3);
      await engine.release();
    },
  );
});

describe.each(parityBases)('fifty steps on %s', (base) => {
  for (const name of ['lora', 'para'] as const)
    for (const optimiser of ['sgd', 'adamw'] as const)
      it(`follow PEFT's losses and weight update for ${name} under ${optimiser}`, async () => {
        const { tensors, metadata } = golden(`parity/${base}.safetensors`);
        const rows = (key: string) => {
          const { data, dims } = tensors.get(`in.${key}`)!;
          const length = data.length / dims[0]!;
          return (i: number) => data.slice(i * length, (i + 1) * length);
        };
        const [latents, noise, hidden, pooled, ids] = [
          'latents',
          'noise',
          'hidden',
          'pooled',
          'time_ids',
        ].map(rows);
        const examples = tensors.get('in.latents')!.dims[0]!;
        const alphas = tensors.get('in.alphas')!.data;
        const times = tensors.get('in.timesteps')!.data;
        const run = `${name}-${optimiser}`;
        const norms = under(tensors, `${run}.norm.`);
        const engine = await engineOf(base, name, Number(metadata[`rank.${name}`]), tensors, 1, [
          ...norms.keys(),
        ]);
        const method = methodByName(name);
        const parameters = method.fromTensors(engine.plan, under(tensors, `${name}.start.`));
        const settings = optimiser === 'sgd' ? ({ ...adamw, kind: 'sgd', weightDecay: 0 } as const) : adamw;
        const optimizer = new Optimizer(parameters.length, settings);
        const losses = tensors.get(`${run}.losses`)!.data;
        let worst = 0;
        for (let step = 0; step < losses.length; step++) {
          const i = step % examples;
          const t = times[step]!;
          const made = noisedExample(
            latents!(i),
            noise!(step),
            alphas[t]!,
            metadata.prediction as 'epsilon' | 'v_prediction',
            null,
          );
          const coefficients = await engine.coefficients(parameters);
          const { loss, gradient } = await engine.run(coefficients, {
            ...{ noisy: made.noisy, target: made.target, weights: Float32Array.of(1), timesteps: [t] },
            ...{ hidden: hidden!(i), pooled: pooled!(i), timeIds: ids!(i) },
          });
          optimizer.update(
            parameters,
            await engine.pullback(coefficients, gradient),
            Number(metadata[`rate.${run}`]),
          );
          worst = Math.max(worst, Math.abs(loss / losses[step]! - 1));
        }
        const graph = loadGraph(openBase(folderOf(base)).unet.path);
        const weights = new Map(findLayers(graph).layers.map((l) => [l.path, readWeight(graph, l)]));
        const updates = weightUpdates(name, engine.plan, parameters, weights);
        // |(D - D') S|^2 is on average 4 |D - D'|^2 for a matrix S of four columns of random signs.
        const signs = tensors.get('sketch')!.data;
        let difference = 0;
        let total = 0;
        for (const [path, { data, dims }] of under(tensors, `${run}.sketch.`)) {
          const update = updates.get(path)!;
          const dIn = update.length / dims[0]!;
          for (const [k, wanted] of data.entries()) {
            let sum = 0;
            for (let j = 0; j < dIn; j++) sum += update[(k >> 2) * dIn + j]! * signs[4 * j + (k & 3)]!;
            difference += (sum - wanted) ** 2 / 4;
          }
          total += norms.get(path)!.data[0]! ** 2;
        }
        const change = Math.sqrt(difference / total);
        console.log(
          `${base} ${run}: losses within ${worst.toExponential(2)}, update within ${change.toExponential(2)}`,
        );
        expect(worst).toBeLessThan(1e-4);
        expect(change).toBeLessThan(optimiser === 'sgd' ? 1e-3 : 1e-2);
        await engine.release();
      });
});
