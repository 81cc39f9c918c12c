import { expect, test } from 'vitest';
import type { AdapterPlan, MethodSettings } from '../../src/adapters/method.ts';
import { methodByName, methodNames } from '../../src/adapters/methods.ts';
import { orthonormalColumns } from '../../src/adapters/orthonormal.ts';
import { basisGraph, basisPullbackGraph } from '../../src/adapters/para-basis.ts';
import { normals } from '../../src/common/random.ts';
import { toFloat32 } from '../../src/onnx/tensor-data.ts';
import { DataType } from '../../src/onnx/types.ts';
import { f32 } from '../../src/runtime/tensor.ts';
import { largestDifference, picture, runGraph, smallGraph } from './small-graph.ts';

/** Output of the small graph with an adapter attached and these coefficients. */
async function adapted(plan: AdapterPlan, coefficients: Float32Array) {
  const { graph } = smallGraph();
  graph.addInput('coefficients', DataType.FLOAT, [plan.coefficientCount]);
  methodByName(plan.method).attach(graph, plan, 'coefficients');
  return (await runGraph(graph, { x: picture(), coefficients: f32([coefficients.length], coefficients) })).y!;
}

/** The small graph's output with its weights changed: `change(path, W f32[dOut, inputs])` gives the new weight. */
async function withWeights(change: (path: string, weight: Float32Array, dOut: number) => Float32Array) {
  const { graph, layers } = smallGraph();
  for (const layer of layers) {
    const tensor = graph.initializers.get(`${layer.node}.weight`)!;
    const values = toFloat32(graph, tensor);
    const inputs = values.length / layer.dOut;
    const stored = layer.kind === 'linear' && layer.node !== 'proj';
    const flip = (m: Float32Array, rows: number, columns: number) =>
      Float32Array.from(m, (_, i) => m[(i % rows) * columns + Math.floor(i / rows)]!);
    const weight = stored ? flip(values, inputs, layer.dOut) : values;
    const changed = change(layer.path, weight, layer.dOut);
    const back = stored ? flip(changed, layer.dOut, inputs) : changed;
    tensor.rawData = new Uint8Array(back.slice().buffer);
  }
  return (await runGraph(graph, { x: picture() })).y!;
}

async function basisOf(plan: AdapterPlan, parameters: Float32Array): Promise<Float32Array> {
  const graph = methodByName('para').prepareGraph!(plan);
  const out = await runGraph(graph, { parameters: f32([parameters.length], parameters) });
  return out.coefficients!.data as Float32Array;
}

const paraSettings: MethodSettings = { gamma: 0.3 };

test('PaRa gives every layer W0 - Q Q^T W0, linear and convolution, with and without bias', async () => {
  const para = methodByName('para');
  const plan = para.plan(smallGraph().layers, paraSettings);
  const parameters = para.initialise(plan, 5);
  const coefficients = await basisOf(plan, parameters);
  const { data } = await adapted(plan, coefficients);
  const expected = await withWeights((path, weight, dOut) => {
    const layer = plan.layers.find((l) => l.path === path)!;
    const q = coefficients.subarray(layer.offset, layer.offset + layer.length);
    const inputs = weight.length / dOut;
    const out = weight.slice();
    for (let k = 0; k < layer.rank; k++)
      for (let i = 0; i < inputs; i++) {
        let along = 0;
        for (let o = 0; o < dOut; o++) along += q[o * layer.rank + k]! * weight[o * inputs + i]!;
        for (let o = 0; o < dOut; o++) out[o * inputs + i]! -= q[o * layer.rank + k]! * along;
      }
    return out;
  });
  expect(largestDifference(data as Float32Array, expected.data as Float32Array)).toBeLessThan(1e-5);
});

test('LoRA gives every layer W0 + scale B A, linear and convolution', async () => {
  const lora = methodByName('lora');
  const plan = lora.plan(smallGraph().layers, { rank: 3, scale: 'paper' });
  expect(plan.scale).toBe(2.2);
  const parameters = normals(9, 'lora', plan.parameterCount).map((x) => 0.2 * x);
  const tensors = lora.tensors(plan, parameters);
  expect(lora.fromTensors(plan, tensors)).toEqual(parameters);
  const { data } = await adapted(plan, parameters);
  const expected = await withWeights((path, weight, dOut) => {
    const a = tensors.get(`${path}.lora_A.weight`)!.data;
    const b = tensors.get(`${path}.lora_B.weight`)!.data;
    const inputs = weight.length / dOut;
    const out = weight.slice();
    for (let o = 0; o < dOut; o++)
      for (let k = 0; k < 3; k++)
        for (let i = 0; i < inputs; i++) out[o * inputs + i]! += 2.2 * b[o * 3 + k]! * a[k * inputs + i]!;
    return out;
  });
  expect(largestDifference(data as Float32Array, expected.data as Float32Array)).toBeLessThan(2e-5);
});

test('a fresh LoRA changes nothing, and a fresh PaRa already removes its random directions', async () => {
  const { layers } = smallGraph();
  const base = await withWeights((_, weight) => weight);
  for (const name of methodNames) {
    const method = methodByName(name);
    const plan = method.plan(layers, {});
    const start = method.initialise(plan, 1);
    const { data } = await adapted(plan, name === 'para' ? await basisOf(plan, start) : start);
    const difference = largestDifference(data as Float32Array, base.data as Float32Array);
    if (name === 'lora') expect(difference).toBe(0);
    else expect(difference).toBeGreaterThan(1e-3);
  }
});

test('the basis graph gives the orthonormal basis of B, as the host computes it', async () => {
  const para = methodByName('para');
  const plan = para.plan(smallGraph().layers, { gamma: 0.5 });
  const parameters = para.initialise(plan, 3);
  const q = await basisOf(plan, parameters);
  for (const { dOut, rank, offset, length } of plan.layers) {
    const host = orthonormalColumns(parameters.subarray(offset, offset + length), dOut, rank);
    expect(largestDifference(q.subarray(offset, offset + length), host)).toBeLessThan(1e-7);
  }
});

test('the basis is orthonormal to 1e-12 in f64, also where the columns of B are nearly the same', () => {
  const rows = 160;
  const columns = 12;
  const shared = normals(2, 'shared', rows);
  const own = normals(2, 'own', rows * columns);
  const b = Float64Array.from(own, (x, i) => shared[Math.floor(i / columns)]! + 1e-6 * x);
  const q = orthonormalColumns(b, rows, columns);
  for (let i = 0; i < columns; i++)
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < rows; k++) sum += q[k * columns + i]! * q[k * columns + j]!;
      expect(Math.abs(sum - (i === j ? 1 : 0))).toBeLessThan(1e-12);
    }
});

test('the gradient of PaRa is exact: closed form against central differences through the orthonormalisation', async () => {
  const dOut = 9;
  const rank = 4;
  const tokens = 7;
  const para = methodByName('para');
  const layers = ['a', 'b', 'c'].map((path, i) => ({
    path,
    kind: 'linear' as const,
    node: path,
    dIn: 5,
    dOut: i === 1 ? dOut + 2 : dOut,
  }));
  const plan = para.plan(layers, { gamma: 0.5, rank });
  expect(plan.layers.map((l) => l.path)).toEqual(['a', 'c', 'b']);
  const parameters = para.initialise(plan, 8);
  const y0 = plan.layers.map((l) => Float64Array.from(normals(4, `y:${l.path}`, tokens * l.dOut)));
  const weight = plan.layers.map((l) => Float64Array.from(normals(4, `w:${l.path}`, tokens * l.dOut)));

  /** Sum of weight * (y0 - y0 Q Q^T) over all layers; gradient in Q (free) into `gradient`. */
  const loss = (values: Float64Array, gradient?: Float32Array) => {
    let total = 0;
    for (const [index, l] of plan.layers.entries()) {
      const d = l.dOut;
      const q = orthonormalColumns(values.subarray(l.offset, l.offset + l.length), d, l.rank);
      const y = y0[index]!;
      const w = weight[index]!;
      for (let i = 0; i < y.length; i++) total += w[i]! * y[i]!;
      for (let t = 0; t < tokens; t++)
        for (let k = 0; k < l.rank; k++) {
          let yq = 0;
          let wq = 0;
          for (let o = 0; o < d; o++) {
            yq += y[t * d + o]! * q[o * l.rank + k]!;
            wq += w[t * d + o]! * q[o * l.rank + k]!;
          }
          total -= yq * wq;
          if (gradient)
            for (let o = 0; o < d; o++)
              gradient[l.offset + o * l.rank + k]! -= w[t * d + o]! * yq + y[t * d + o]! * wq;
        }
    }
    return total;
  };
  const gradient = new Float32Array(plan.coefficientCount);
  const values = Float64Array.from(parameters);
  loss(values, gradient);
  const given = { parameters: f32([parameters.length], parameters) };
  const { kept } = await runGraph(para.prepareGraph!(plan), given);
  const out = await runGraph(para.pullbackGraph!(plan), {
    ...given,
    kept: kept!,
    coefficients_gradient: f32([gradient.length], gradient),
  });
  const found = out.parameters_gradient!.data as Float32Array;
  const scale = found.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  const step = 1e-7;
  for (let i = 0; i < values.length; i++) {
    const at = values[i]!;
    values[i] = at + step;
    const above = loss(values);
    values[i] = at - step;
    const below = loss(values);
    values[i] = at;
    expect(Math.abs((above - below) / (2 * step) - found[i]!) / scale).toBeLessThan(1e-6);
  }
});

test('bases and gradients of PaRa that are made a few layers at a time have the bits of all at once', async () => {
  const para = methodByName('para');
  const layers = [12, 12, 12, 20, 20, 13].map((dOut, i) => ({
    ...{ path: `l${i}`, kind: 'linear' as const, node: `l${i}`, dIn: 5, dOut },
  }));
  const plan = para.plan(layers, { gamma: 0.25 });
  const parameters = f32([plan.parameterCount], para.initialise(plan, 3));
  const gradient = f32([plan.coefficientCount], normals(3, 'gradient', plan.coefficientCount));
  // Ranks 3 and 5. Together: all that share a width; then two of the first width at a time, then each layer alone.
  const made = [2 ** 20, 72, 1].map(async (most) => {
    const { coefficients, kept } = await runGraph(basisGraph(plan, most), { parameters });
    const back = await runGraph(basisPullbackGraph(plan, most), {
      ...{ parameters, kept: kept!, coefficients_gradient: gradient },
    });
    return { coefficients, kept, back };
  });
  const [together, some, alone] = await Promise.all(made);
  expect(some).toEqual(together);
  expect(alone).toEqual(together);
});

test('the rank of PaRa is a fortieth of the output width, at least 1, and rank lowers it further', () => {
  const para = methodByName('para');
  const layers = [20, 320, 640, 1280].map((dOut) => ({
    path: `l${dOut}`,
    kind: 'linear' as const,
    node: `n${dOut}`,
    dIn: 320,
    dOut,
  }));
  const ranks = (settings: MethodSettings) => para.plan(layers, settings).layers.map((l) => l.rank);
  expect(ranks({})).toEqual([1, 8, 16, 32]);
  expect(ranks({ rank: 10 })).toEqual([1, 8, 10, 10]);
  expect(ranks({ gamma: 0.1 })).toEqual([2, 32, 64, 128]);
  const plan = para.plan(layers, {});
  expect(plan.parameterCount).toBe(20 + 320 * 8 + 640 * 16 + 1280 * 32);
});

test('starting values follow seed and path alone, not the order or choice of layers', () => {
  const { layers } = smallGraph();
  for (const name of methodNames) {
    const method = methodByName(name);
    const all = method.plan(layers, {});
    const some = method.plan([...layers].reverse().slice(0, 3), {});
    const tensors = method.tensors(all, method.initialise(all, 11));
    for (const [path, { data }] of method.tensors(some, method.initialise(some, 11)))
      expect(data).toEqual(tensors.get(path)!.data);
    expect(method.initialise(all, 11)).toEqual(method.initialise(all, 11));
    expect(method.initialise(all, 12)).not.toEqual(method.initialise(all, 11));
  }
});

test('PaRa starts with N(0, 0.02), or Kaiming-uniform when asked', () => {
  const para = methodByName('para');
  const layers = [{ path: 'a', kind: 'linear' as const, node: 'a', dIn: 8, dOut: 4000 }];
  const deviation = (init: 'normal' | 'kaiming') => {
    const values = para.initialise(para.plan(layers, { init, rank: 16 }), 1);
    return Math.sqrt(values.reduce((s, x) => s + x * x, 0) / values.length);
  };
  expect(deviation('normal')).toBeCloseTo(0.02, 3);
  expect(deviation('kaiming')).toBeCloseTo(1 / Math.sqrt(3 * 16), 2);
});

test('settings out of range, contradictory or of another method are refused by name', () => {
  const { layers } = smallGraph();
  const refused = (method: string, settings: MethodSettings) => {
    try {
      methodByName(method).plan(layers, settings);
    } catch (error) {
      return (error as { code?: string }).code;
    }
    return 'accepted';
  };
  expect(refused('para', { gamma: 0 })).toBe('settings');
  expect(refused('para', { gamma: 1.5 })).toBe('settings');
  expect(refused('para', { gamma: Number.NaN })).toBe('settings');
  expect(refused('para', { rank: 0 })).toBe('settings');
  expect(refused('para', { alpha: 16 })).toBe('settings');
  expect(refused('lora', { rank: 2.5 })).toBe('settings');
  expect(refused('lora', { gamma: 0.1 })).toBe('settings');
  expect(refused('lora', { alpha: 8, scale: 1 })).toBe('settings');
  expect(refused('lora', { scale: 0 })).toBe('settings');
  expect(() => methodByName('deft')).toThrow(/no method "deft"/);
  expect(() => methodByName('para').plan([], {})).toThrow(/No layer/);
});
