import { expect, test } from 'vitest';
import { methodByName } from '../../src/adapters/methods.ts';
import { attachSlots, composeSlots, ranksFor } from '../../src/adapters/slots.ts';
import { normals } from '../../src/common/random.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { toFloat32 } from '../../src/onnx/tensor-data.ts';
import { DataType, rawTensor, valueInfo } from '../../src/onnx/types.ts';
import { f16, f32, halfFromFloats, type Tensor, toFloats } from '../../src/runtime/tensor.ts';
import { largestDifference, picture, runGraph, smallGraph } from './small-graph.ts';

/** Turns the small graph's weights, values and ports into half precision. */
function halve(graph: Graph): void {
  for (const tensor of [...graph.initializers.values()]) {
    if (tensor.dataType !== DataType.FLOAT) continue;
    const bits = halfFromFloats(toFloat32(graph, tensor));
    const raw = new Uint8Array(bits.buffer);
    graph.setInitializer(rawTensor(tensor.name, DataType.FLOAT16, tensor.dims.map(Number), raw));
  }
  for (const [name, { shape }] of graph.types) graph.types.set(name, { type: DataType.FLOAT16, shape });
  const shapeOf = (name: string) => graph.types.get(name)!.shape as number[];
  graph.proto.input = [valueInfo('x', DataType.FLOAT16, shapeOf('x'))];
  graph.setOutputs([valueInfo('y', DataType.FLOAT16, shapeOf('y'))]);
}

test('adapters attach to a base of half precision, whose own values stay half', async () => {
  const x = picture();
  const half = f16(x.dims, halfFromFloats(x.data as Float32Array));
  for (const name of ['para', 'lora'] as const) {
    const method = methodByName(name);
    const { graph: whole, layers } = smallGraph();
    const plan = method.plan(layers, name === 'para' ? { gamma: 0.3 } : { rank: 2, alpha: 4 });
    const parameters = normals(1, name, plan.parameterCount).map((v) => v * 0.2);
    const scales = new Map(plan.layers.map(({ path }) => [path, plan.scale]));
    const operators = method.operators(method.tensors(plan, parameters), scales);
    const prepare = method.prepareGraph?.(plan);
    const vector = f32([parameters.length], parameters);
    const coefficients = prepare ? (await runGraph(prepare, { parameters: vector })).coefficients! : vector;
    whole.addInput('coefficients', DataType.FLOAT, [plan.coefficientCount]);
    method.attach(whole, plan, 'coefficients');
    const expected = (await runGraph(whole, { x, coefficients })).y!.data as Float32Array;

    const { graph } = smallGraph();
    halve(graph);
    graph.addInput('coefficients', DataType.FLOAT, [plan.coefficientCount]);
    method.attach(graph, plan, 'coefficients');
    const trained = toFloats((await runGraph(graph, { x: half, coefficients })).y!);
    expect(largestDifference(trained, expected), name).toBeLessThan(0.05);

    const slotted = smallGraph().graph;
    halve(slotted);
    const slots = attachSlots(slotted, layers, ranksFor([operators]));
    const { projections, additions } = composeSlots(slots, [{ name, method, operators, strength: 1 }]);
    const feeds: Record<string, Tensor> =
      name === 'para'
        ? { 'para.projections': f32([projections.length], projections) }
        : { 'para.additions': f32([additions.length], additions) };
    const sampled = toFloats((await runGraph(slotted, { x: half, ...feeds })).y!);
    expect(largestDifference(sampled, expected), name).toBeLessThan(0.05);
  }
});
