import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import type { FloatTensor, MethodName } from '../../src/adapters/method.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { findLayers } from '../../src/onnx/modules.ts';
import { StepEngine } from '../../src/training/engine.ts';
import { expectGradients, expectNear, repeatSteps } from './against.ts';
import { golden, goldenPath, under } from './golden.ts';

const names = ['tiny-optimum', 'tiny-dynamo'];
const ranks = { lora: 4, para: 2 } as const;
const parityBases = readdirSync(goldenPath('parity')).map((file) => file.replace(/\.safetensors$/, ''));

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
      const start = under(tensors, `${name}.start.`);
      const paths = [...new Set([...start.keys()].map((key) => key.replace(/\.\w+\.weight$/, '')))];
      await expectGradients(await engineOf(base, name, ranks[name], tensors, 2, paths), name, tensors, base);
    },
  );
});

describe.each(parityBases)('fifty steps on %s', (base) => {
  for (const name of ['lora', 'para'] as const)
    for (const optimiser of ['sgd', 'adamw'] as const)
      it(`follow PEFT's losses and weight update for ${name} under ${optimiser}`, async () => {
        const { tensors, metadata } = golden(`parity/${base}.safetensors`);
        const run = `${name}-${optimiser}`;
        expect(tensors.get(`${run}.losses`)!.data).toHaveLength(50);
        const norms = under(tensors, `${run}.norm.`);
        const rank = Number(metadata[`rank.${name}`]);
        const engine = await engineOf(base, name, rank, tensors, 1, [...norms.keys()]);
        const prediction = metadata.prediction as 'epsilon' | 'v_prediction';
        const { worst, updates } = await repeatSteps(engine, openBase(folderOf(base)).unet.path, tensors, {
          ...{ name, optimiser, prediction, rate: Number(metadata[`rate.${run}`]) },
          ...{ start: `${name}.start.`, losses: `${run}.losses` },
        });
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
        expectNear(`${base} ${run}`, optimiser, worst, Math.sqrt(difference / total));
        await engine.release();
      });
});
