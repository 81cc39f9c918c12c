import { expect, test } from 'vitest';
import type { LayerOperator, MethodName } from '../../src/adapters/method.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import {
  type ActiveAdapter,
  attachSlots,
  composeSlots,
  ranksFor,
  type Slots,
} from '../../src/adapters/slots.ts';
import { ParaError } from '../../src/common/errors.ts';
import { normals } from '../../src/common/random.ts';
import { encodeGraph } from '../../src/onnx/io.ts';
import { DataType } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32 } from '../../src/runtime/tensor.ts';
import { largestDifference, picture, runGraph, smallGraph } from './small-graph.ts';

function made(
  name: MethodName,
  seed: number,
  settings = {},
): {
  operators: LayerOperator[];
  plan: ReturnType<ReturnType<typeof methodByName>['plan']>;
  parameters: Float32Array;
} {
  const method = methodByName(name);
  const plan = method.plan(smallGraph().layers, settings);
  const parameters = normals(seed, name, plan.parameterCount).map((x) => x * 0.2);
  const scales = new Map(plan.layers.map(({ path }) => [path, plan.scale]));
  return { operators: method.operators(method.tensors(plan, parameters), scales), plan, parameters };
}

const active = (name: MethodName, operators: readonly LayerOperator[], strength = 1): ActiveAdapter => ({
  name,
  method: methodByName(name),
  operators,
  strength,
});

/** Output with slots of these ranks and what was composed for the adapters. */
async function sampled(
  adapters: readonly ActiveAdapter[],
  ranks = ranksFor(adapters.map((a) => a.operators)),
) {
  const { graph, layers } = smallGraph();
  const slots = attachSlots(graph, layers, ranks);
  const y = (await runGraph(graph, { x: picture(), ...feeds(slots, adapters) })).y!;
  return y.data as Float32Array;
}

function feeds(slots: Slots, adapters: readonly ActiveAdapter[]) {
  const { projections, additions } = composeSlots(slots, adapters);
  return {
    ...(slots.projectionCount ? { 'para.projections': f32([slots.projectionCount], projections) } : {}),
    ...(slots.additionCount ? { 'para.additions': f32([slots.additionCount], additions) } : {}),
  };
}

async function base() {
  return (await runGraph(smallGraph().graph, { x: picture() })).y!.data as Float32Array;
}

test('a sampling session with one adapter gives what the training graph gives', async () => {
  for (const name of ['para', 'lora'] as const) {
    const { operators, plan, parameters } = made(
      name,
      1,
      name === 'para' ? { gamma: 0.3 } : { rank: 3, alpha: 6 },
    );
    const { graph } = smallGraph();
    graph.addInput('coefficients', DataType.FLOAT, [plan.coefficientCount]);
    const method = methodByName(name);
    method.attach(graph, plan, 'coefficients');
    const prepare = method.prepareGraph?.(plan);
    const coefficients = prepare
      ? (await runGraph(prepare, { parameters: f32([parameters.length], parameters) })).coefficients!
      : f32([parameters.length], parameters);
    const trained = (await runGraph(graph, { x: picture(), coefficients })).y!.data as Float32Array;
    expect(largestDifference(await sampled([active(name, operators)]), trained)).toBeLessThan(1e-5);
  }
});

test('strength 0 is the base, strength between is between, and a larger ceiling changes nothing', async () => {
  const { operators } = made('para', 1, { gamma: 0.3 });
  const untouched = await base();
  const at = (strength: number) => sampled([active('para', operators, strength)]);
  expect(largestDifference(await at(0), untouched)).toBeLessThan(1e-6);
  const [half, full] = [await at(0.5), await at(1)];
  expect(largestDifference(half, untouched)).toBeGreaterThan(1e-2);
  expect(largestDifference(half, full)).toBeGreaterThan(1e-2);
  const roomy = await sampled([active('para', operators)], { projectionRank: 6, additionRank: 4 });
  expect(largestDifference(roomy, full)).toBeLessThan(1e-5);
});

test('LoRA goes beyond 1 and below 0; PaRa says why it does not', async () => {
  const { operators } = made('lora', 1, { rank: 2 });
  for (const strength of [-1, 2]) await sampled([active('lora', operators, strength)]);
  for (const strength of [-0.1, 1.1, Number.NaN])
    await expect(sampled([active('para', made('para', 1).operators, strength)])).rejects.toMatchObject({
      code: 'settings',
      hint: expect.stringContaining('removes directions'),
    });
});

test('adapters apply in the order given: projections one after another, then additions', async () => {
  const first = made('para', 1, { gamma: 0.2 }).operators;
  const second = made('para', 2, { gamma: 0.3 }).operators;
  const third = made('lora', 3, { rank: 2 }).operators;
  const run = (list: ActiveAdapter[]) => sampled(list);
  const ab = await run([active('para', first, 0.7), active('para', second)]);
  const ba = await run([active('para', second), active('para', first, 0.7)]);
  expect(largestDifference(ab, ba)).toBeGreaterThan(1e-3);
  // Additions do not pass through projections: their order among the adapters is free.
  const x = await run([active('para', first), active('lora', third, 1.5)]);
  const y = await run([active('lora', third, 1.5), active('para', first)]);
  expect(largestDifference(x, y)).toBe(0);
});

test('a chain of projections equals the product of the single operators', () => {
  const first = made('para', 1, { gamma: 0.3 }).operators;
  const second = made('para', 2, { gamma: 0.2 }).operators;
  const { graph, layers } = smallGraph();
  const slots = attachSlots(graph, layers, ranksFor([first, second]));
  const { projections } = composeSlots(slots, [active('para', first, 0.7), active('para', second, 0.4)]);
  for (const [path, layer] of slots.layers) {
    const d = layer.dOut;
    const r = layer.projectionRank;
    const y = normals(6, path, d);
    const project = (v: number[], operators: LayerOperator[], s: number) => {
      const p = operators.find((o) => o.path === path)!;
      if (p.kind !== 'projection') throw new Error('not a projection');
      const out = [...v];
      for (let k = 0; k < p.rank; k++) {
        const along = v.reduce((sum, x, i) => sum + x * p.basis[i * p.rank + k]!, 0);
        for (let i = 0; i < d; i++) out[i]! -= s * along * p.basis[i * p.rank + k]!;
      }
      return out;
    };
    const expected = project(project([...y], first, 0.7), second, 0.4);
    const wide = projections.subarray(layer.projectionOffset, layer.projectionOffset + d * r);
    const flat = projections.subarray(layer.projectionOffset + d * r, layer.projectionOffset + 2 * d * r);
    const found = [...y];
    for (let k = 0; k < r; k++) {
      const into = (i: number) => (layer.kind === 'conv' ? flat[k * d + i]! : wide[i * r + k]!);
      const out = (i: number) => (layer.kind === 'conv' ? wide[i * r + k]! : flat[k * d + i]!);
      const along = [...y].reduce((sum, x, i) => sum + x * into(i), 0);
      for (let i = 0; i < d; i++) found[i]! -= along * out(i);
    }
    expect(largestDifference(found, expected)).toBeLessThan(1e-6);
  }
});

test('one session serves adapter after adapter without being built again', async () => {
  const { graph, layers } = smallGraph();
  const slots = attachSlots(graph, layers, { projectionRank: 3, additionRank: 3 });
  const session = await createSession(encodeGraph(graph), { threads: 1 });
  const lists = [
    [],
    [active('para', made('para', 1, { gamma: 0.3 }).operators)],
    [active('lora', made('lora', 2, { rank: 3 }).operators, -0.5)],
    [
      active('para', made('para', 4, { gamma: 0.2 }).operators, 0.5),
      active('lora', made('lora', 2, { rank: 1 }).operators),
    ],
  ];
  for (const list of lists) {
    const y = (await session.run({ x: picture(), ...feeds(slots, list) })).y!.data as Float32Array;
    const alone = list.length ? await sampled(list) : await base();
    expect(largestDifference(y, alone)).toBeLessThan(1e-5);
  }
  await session.release();
});

test('an adapter without room, for unknown layers or for another base is refused', () => {
  const { graph, layers } = smallGraph();
  const slots = attachSlots(graph, layers.slice(0, 3), { projectionRank: 2, additionRank: 2 });
  const refused = (operators: LayerOperator[], name: MethodName = 'para') => {
    try {
      composeSlots(slots, [active(name, operators)]);
    } catch (error) {
      if (error instanceof ParaError) return `${error.code}: ${error.message}`;
    }
    return 'accepted';
  };
  const all = made('para', 1, { gamma: 0.5 }).operators;
  expect(refused(all.filter((o) => o.path === 'mid.proj'))).toMatch(/adapter: .*no room/);
  expect(refused(all.filter((o) => o.path === 'down.0.conv1'))).toMatch(/adapter: .*exceed/);
  const other = made('para', 1, { gamma: 0.1 }).operators[0]! as LayerOperator & { kind: 'projection' };
  expect(refused([{ ...other, dOut: 12 }])).toMatch(/adapter: .*does not fit/);
});
