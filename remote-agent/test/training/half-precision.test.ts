import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/adapters/safetensors.ts';
import { Random } from '../../src/common/random.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { DataType } from '../../src/onnx/types.ts';
import { weightBytes } from '../../src/onnx/weights.ts';
import { loadUnet, StepEngine } from '../../src/training/engine.ts';
import type { TrainEvent } from '../../src/training/events.ts';
import { keep, shrink, startScale } from '../../src/training/loss-scale.ts';
import { precisionOf } from '../../src/training/settings.ts';
import { buildStepGraph } from '../../src/training/step-graph.ts';
import { goldenPath, relativeError } from './golden.ts';
import { placesFor } from './places.ts';
import { paintAll, run, tinySpec } from './runs.ts';

const folders = {
  'tiny-optimum': goldenPath('bases/tiny-optimum'),
  'tiny-dynamo': goldenPath('bases/tiny-dynamo'),
  'pocket-sdxl': 'pocket-sdxl',
};
const place = placesFor('half');

type Name = keyof typeof folders;

function setting(name: Name, methodName: 'lora' | 'para') {
  const base = openBase(folders[name]);
  const method = methodByName(methodName);
  const side = 8;
  const shapes = {
    ...{ batch: 1, latentChannels: base.latentChannels, latentHeight: side, latentWidth: side },
    tokens: base.textEncoders[0]!.tokens,
  };
  return { base, method, shapes };
}

async function step(name: Name, methodName: 'lora' | 'para', precision: 'f32' | 'f16', scale: number) {
  const { base, method, shapes } = setting(name, methodName);
  const engine = await StepEngine.create({
    ...{ base, method, shapes, precision, device: 'cpu' },
    plan: (layers) => method.plan(chooseLayers(layers, 'attention'), {}),
  });
  const values = (length: number, use: string) => {
    const random = new Random(5, use);
    return Float32Array.from({ length }, () => random.normal());
  };
  const latent = base.latentChannels * shapes.latentHeight * shapes.latentWidth;
  const parameters = values(engine.plan.parameterCount, 'parameters').map((v) => v * 0.05);
  const batch = {
    noisy: values(latent, 'noisy'),
    target: values(latent, 'target'),
    weights: new Float32Array(1).fill(1),
    timesteps: [100],
    hidden: values(shapes.tokens * base.unet.hiddenWidth, 'hidden'),
    pooled: values(base.unet.ports.pooled?.dims[1] ?? 0, 'pooled'),
    timeIds: new Float32Array(6).fill(64),
  };
  const made = await engine.run(await engine.coefficients(parameters), batch, scale);
  await engine.release();
  return made;
}

describe.each(Object.keys(folders) as Name[])('a step in half precision on %s', (name) => {
  it.each(['lora', 'para'] as const)(
    'gives the loss of f32 within 1e-3 and its gradient within 1e-2, for %s',
    async (method) => {
      const single = await step(name, method, 'f32', 1);
      const half = await step(name, method, 'f16', 1024);
      expect(Math.abs(half.loss - single.loss) / single.loss).toBeLessThan(1e-3);
      expect(relativeError(half.gradient, single.gradient)).toBeLessThan(1e-2);
    },
  );
});

describe('a step graph in half precision', () => {
  it('reads stored halves as they lie, and keeps softmax, sums, the loss and its ports in f32', () => {
    const { base, method, shapes } = setting('pocket-sdxl', 'lora');
    const graphs = (['f32', 'f16'] as const).map((precision) => {
      const { graph, layers, inputs } = loadUnet(base, shapes);
      const plan = method.plan(chooseLayers(layers, 'attention'), {});
      buildStepGraph(graph, { shapes, unet: inputs, method, plan, precision });
      return graph;
    });
    const [single, half] = graphs as [(typeof graphs)[0], (typeof graphs)[0]];
    expect(weightBytes(half) / weightBytes(single)).toBeLessThan(0.55);
    const typesOf = (operator: string) => [
      ...new Set(
        half.nodes
          .filter((node) => node.opType === operator)
          .map((node) => half.types.get(node.output[0]!)!.type),
      ),
    ];
    for (const operator of ['Softmax', 'ReduceSum', 'ReduceMean', 'Sin'])
      expect(typesOf(operator), operator).toEqual([DataType.FLOAT]);
    for (const operator of ['Conv', 'ConvTranspose', 'MultiHeadAttention', 'LayerNormalization'])
      expect(typesOf(operator), operator).toEqual([DataType.FLOAT16]);
    for (const port of [...half.inputs, ...half.outputs])
      expect(half.types.get(port.name)!.type, port.name).toBe(
        single.types.get(port.name)?.type ?? DataType.FLOAT,
      );
  });
});

describe('a run in half precision', () => {
  const settings = (precision: 'f32' | 'f16') => ({
    method: { name: 'lora' },
    training: { steps: 8, precision },
    checkpoints: { every: 4 },
    validation: { every: 4 },
  });
  const measured = (events: readonly TrainEvent[]) =>
    events.flatMap((event) => (event.type === 'validation' ? [event.loss] : []));
  const tensors = (file: string) => decodeSafetensors(readFileSync(file)).tensors;

  it('ends within 5 % of the way of the same run in f32, and goes on to the same bytes', async () => {
    const directory = place();
    await paintAll(directory, [[16, 16]]);
    const single = await run(directory, 'f32', tinySpec(directory, settings('f32')));
    const spec = tinySpec(directory, settings('f16'));
    const half = await run(directory, 'f16', spec);
    let off = 0;
    let way = 0;
    const there = tensors(half.files.adapter);
    // B starts at zero: what it is at the end is the way it went.
    for (const [name, { data }] of tensors(single.files.adapter))
      if (name.includes('lora_B'))
        for (const [i, value] of data.entries()) {
          off += (value - there.get(name)!.data[i]!) ** 2;
          way += value ** 2;
        }
    expect(Math.sqrt(off / way)).toBeLessThan(0.05);
    expect(measured(half.events)).toHaveLength(2);
    for (const [i, loss] of measured(half.events).entries())
      expect(loss / measured(single.events)[i]!).toBeCloseTo(1, 3);
    await run(directory, 'again', spec, 3);
    const again = await run(directory, 'again', spec);
    expect(again.events.some((event) => event.type === 'resumed')).toBe(true);
    expect(readFileSync(again.files.adapter)).toEqual(readFileSync(half.files.adapter));
    expect(readFileSync(again.files.state)).toEqual(readFileSync(half.files.state));
  });

  it.each(['lora', 'para'] as const)(
    'of %s on pocket-sdxl ends with the validation loss of the same run in f32 to 2e-3',
    async (method) => {
      const directory = place();
      await paintAll(directory, [[64, 64]]);
      const losses = [];
      for (const precision of ['f32', 'f16'] as const) {
        const more = {
          ...settings(precision),
          ...{ base: 'pocket-sdxl', method: { name: method }, validation: { every: 40 } },
          training: { steps: 40, precision, ...(method === 'para' ? { learningRate: 0.01 } : {}) },
        };
        const { events } = await run(directory, precision, tinySpec(directory, more));
        losses.push(measured(events).at(-1)!);
      }
      expect(Math.abs(losses[1]! / losses[0]! - 1)).toBeLessThan(2e-3);
    },
  );

  it('halves its loss scale until a gradient fits, makes the step with it, and says so', async () => {
    const directory = place();
    await paintAll(directory, [[16, 16]]);
    const spec = tinySpec(directory, settings('f16'));
    const { files } = await run(directory, 'run', spec, 3);
    const { tensors: saved, metadata } = decodeSafetensors(readFileSync(files.state));
    const wide = { ...metadata, loss_scale: JSON.stringify({ value: 2 ** 60, steps: 7, skipped: 0 }) };
    writeFileSync(files.state, encodeSafetensors(saved, wide));
    const { events } = await run(directory, 'run', spec);
    const notes = events.filter(
      (event) => event.type === 'note' && /^Step 4: a gradient left/.test(event.message),
    );
    expect(notes.length).toBeGreaterThan(10);
    expect(notes.at(-1)).toMatchObject({ message: expect.stringMatching(/the loss scale is \d+ now$/) });
    const steps = events.flatMap((event) => (event.type === 'step' ? [event] : []));
    expect(steps.map((event) => event.step)).toEqual([4, 5, 6, 7, 8]);
    expect(steps.every((event) => Number.isFinite(event.gradientNorm))).toBe(true);
    const scale = JSON.parse(decodeSafetensors(readFileSync(files.state)).metadata.loss_scale!);
    expect(scale.value).toBeLessThan(2 ** 50);
  });

  it('that goes on in single precision is scaled no more', async () => {
    const directory = place();
    await paintAll(directory, [[16, 16]]);
    await run(directory, 'run', tinySpec(directory, settings('f16')), 3);
    const { files } = await run(directory, 'run', tinySpec(directory, settings('f32')));
    expect(decodeSafetensors(readFileSync(files.state)).metadata.loss_scale).toBeUndefined();
  });

  it('leaves out steps whose loss is no number, ten in a row at most', async () => {
    const directory = place();
    await paintAll(directory, [[16, 16]]);
    const training = { steps: 30, precision: 'f16' };
    const spec = tinySpec(directory, { method: { name: 'lora' }, training });
    const broken = { ...spec, training: { ...spec.training, learningRate: 1e38, clip: 0 } };
    const failure = await run(directory, 'run', broken).catch((cause: unknown) => cause);
    expect(failure).toMatchObject({
      code: 'not-a-number',
      message: expect.stringMatching(/at step 1[23]$/),
    });
  });

  it('is the choice of auto on CUDA alone, and for bases that are stored in half precision', async () => {
    const directory = place();
    await paintAll(directory, [[16, 16]]);
    const spec = tinySpec(directory);
    expect(spec.training.precision).toBe('auto');
    const pocket = openBase('pocket-sdxl');
    expect(precisionOf(pocket, { ...spec, device: 'cpu' })).toBe('f32');
    expect(precisionOf(pocket, { ...spec, device: 'cuda' })).toBe('f16');
    expect(precisionOf(openBase(folders['tiny-optimum']), { ...spec, device: 'cuda' })).toBe('f32');
  });
});

describe('the loss scale', () => {
  it('halves down to 1, and doubles after two hundred good steps', () => {
    const scale = startScale();
    const start = scale.value;
    expect(shrink(scale)).toBe(true);
    expect(scale.value).toBe(start / 2);
    for (let i = 1; i < 200; i++) expect(keep(scale)).toBe(false);
    expect(keep(scale)).toBe(true);
    expect(scale.value).toBe(start);
    while (shrink(scale)) expect(scale.value).toBeGreaterThanOrEqual(1);
    expect(scale.value).toBe(1);
  });
});
