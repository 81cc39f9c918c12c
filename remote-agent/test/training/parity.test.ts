import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { methodByName } from '../../src/adapters/methods.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { findLayers, readWeight } from '../../src/onnx/modules.ts';
import { noisedExample } from '../../src/training/objective.ts';
import { Optimizer } from '../../src/training/optimizer.ts';
import { golden, goldenPath, relativeError, tinyBase, tinyEngine, under, weightUpdates } from './golden.ts';

const adamw = { kind: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 } as const;

describe('a step graph', () => {
  for (const [name, rank] of [
    ['lora', 4],
    ['para', 2],
  ] as const)
    it(`gives the loss and every ${name} gradient that PyTorch gives in f64`, async () => {
      const { tensors } = golden('training/gradients.safetensors');
      const input = (key: string) => tensors.get(`in.${key}`)!.data;
      const engine = await tinyEngine(name, rank, 2);
      const method = methodByName(name);
      const parameters = method.fromTensors(engine.plan, under(tensors, `${name}.start.`));
      const coefficients = await engine.coefficients(parameters);
      const { loss, gradient } = await engine.run(coefficients, {
        noisy: input('latents'),
        target: input('target'),
        weights: Float32Array.of(1, 1),
        timesteps: [...input('timesteps')],
        hidden: input('hidden'),
        pooled: input('pooled'),
        timeIds: input('time_ids'),
      });
      expect(Math.abs(loss / tensors.get(`${name}.loss`)!.data[0]! - 1)).toBeLessThan(1e-5);
      const found = method.tensors(engine.plan, await engine.pullback(coefficients, gradient));
      const wanted = under(tensors, `${name}.grad.`);
      expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
      const errors = [...wanted].map(([key, { data }]) => ({
        key,
        error: relativeError(found.get(key)!.data, data),
      }));
      const worst = errors.reduce((a, b) => (a.error > b.error ? a : b));
      console.log(
        `${name}: ${errors.length} gradients, largest error ${worst.error.toExponential(2)} of the norm (${worst.key})`,
      );
      expect(worst.error, worst.key).toBeLessThan(1e-3);
      await engine.release();
    });
});

describe('fifty training steps', () => {
  for (const name of ['lora', 'para'] as const)
    for (const optimiser of ['sgd', 'adamw'] as const)
      it(`follow PEFT's losses and weight update for ${name} under ${optimiser}`, async () => {
        const { tensors, metadata } = golden(`training/${name}-${optimiser}.safetensors`);
        const rank = Number(metadata.rank);
        const rate = Number(metadata.rate);
        const engine = await tinyEngine(name, rank, 1);
        const method = methodByName(name);
        const parameters = method.fromTensors(engine.plan, under(tensors, 'start.'));
        const settings = optimiser === 'sgd' ? ({ ...adamw, kind: 'sgd', weightDecay: 0 } as const) : adamw;
        const optimizer = new Optimizer(parameters.length, settings);
        const { dims, data: noises } = tensors.get('in.noise')!;
        const examples = tensors.get('in.latents')!.dims[0]!;
        const row = (key: string, i: number) => {
          const { data, dims: shape } = tensors.get(`in.${key}`)!;
          const length = data.length / shape[0]!;
          return data.slice(i * length, (i + 1) * length);
        };
        const alphas = tensors.get('in.alphas')!.data;
        const times = tensors.get('in.timesteps')!.data;
        const wanted = tensors.get('losses')!.data;
        let worst = 0;
        for (let step = 0; step < dims[0]!; step++) {
          const i = step % examples;
          const size = noises.length / dims[0]!;
          const noise = noises.slice(step * size, (step + 1) * size);
          const made = noisedExample(row('latents', i), noise, alphas[times[step]!]!, 'epsilon', null);
          const coefficients = await engine.coefficients(parameters);
          const { loss, gradient } = await engine.run(coefficients, {
            noisy: made.noisy,
            target: made.target,
            weights: Float32Array.of(1),
            timesteps: [times[step]!],
            hidden: row('hidden', i),
            pooled: row('pooled', i),
            timeIds: row('time_ids', i),
          });
          optimizer.update(parameters, await engine.pullback(coefficients, gradient), rate);
          worst = Math.max(worst, Math.abs(loss / wanted[step]! - 1));
        }
        const graph = loadGraph(tinyBase().unet.path);
        const weights = new Map(findLayers(graph).layers.map((l) => [l.path, readWeight(graph, l)]));
        const updates = weightUpdates(name, engine.plan, parameters, weights);
        const deltas = under(tensors, 'delta.');
        const all = (map: (path: string) => ArrayLike<number>) =>
          [...deltas.keys()].flatMap((path) => Array.from(map(path)));
        const change = relativeError(
          all((p) => updates.get(p)!),
          all((p) => deltas.get(p)!.data),
        );
        console.log(
          `${name} ${optimiser}: losses within ${worst.toExponential(2)}, weight update within ${change.toExponential(2)}`,
        );
        expect(worst).toBeLessThan(1e-4);
        expect(change).toBeLessThan(optimiser === 'sgd' ? 1e-3 : 1e-2);
        await engine.release();
      });
});

describe('module paths', () => {
  it('are found for every linear and convolution layer, with their shapes', () => {
    const wanted = JSON.parse(readFileSync(goldenPath('training/modules.json'), 'utf8')) as Record<
      string,
      [string, number[]]
    >;
    const { layers, unnamed } = findLayers(loadGraph(tinyBase().unet.path));
    expect(unnamed).toEqual([]);
    const found = Object.fromEntries(
      layers.map((l) => [l.path, l.kind === 'conv' ? [l.dOut, l.dIn, ...l.kernel] : [l.dOut, l.dIn]]),
    );
    expect(found).toEqual(
      Object.fromEntries(Object.entries(wanted).map(([path, [, shape]]) => [path, shape])),
    );
  });
});
