import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Adapter, operatorsOf } from '../../src/adapters/adapter.ts';
import { baseWeights } from '../../src/adapters/base-weights.ts';
import type { LayerOperator } from '../../src/adapters/method.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { decodeSafetensors } from '../../src/adapters/safetensors.ts';
import { attachSlots, composeSlots, ranksFor } from '../../src/adapters/slots.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { findLayers, type Layer } from '../../src/onnx/modules.ts';
import { f32, type Tensor } from '../../src/runtime/tensor.ts';
import { runGraph } from './small-graph.ts';

/** Folder of the golden files that tools/golden/adapters.py writes. */
export const golden = join(import.meta.dirname, '../golden/adapters');

/** The tiny U-Net that the golden files were made with. */
export const loadUnet = (): Graph => loadGraph(join(golden, 'unet.onnx'));

let layers: Layer[] | undefined;

/** Its layers. */
export function unetLayers(): Layer[] {
  layers ??= findLayers(loadUnet()).layers;
  return layers;
}

/** Reads weights of the tiny U-Net by module path. */
export const weightReader = () => baseWeights(join(golden, 'unet.onnx')).readWeight;

const cases = () => decodeSafetensors(readFileSync(join(golden, 'cases.safetensors'))).tensors;

/** What PyTorch gave in a case. */
export const expectedOutput = (name: string): Float32Array => cases().get(`output.${name}`)!.data;

/** Output of the tiny U-Net with an adapter in its slots. */
export async function unetOutput(adapter?: Adapter, strength = 1): Promise<Float32Array> {
  const graph = loadUnet();
  const feeds: Record<string, Tensor> = {};
  for (const [name, { dims, data }] of cases())
    if (name.startsWith('input.')) feeds[name.slice('input.'.length)] = f32(dims, data);
  if (adapter) {
    const operators: LayerOperator[] = operatorsOf(adapter);
    const slots = attachSlots(graph, findLayers(graph).layers, ranksFor([operators]));
    const method = methodByName(adapter.method);
    const { projections, additions } = composeSlots(slots, [{ name: 'test', method, operators, strength }]);
    if (slots.projectionCount) feeds['para.projections'] = f32([slots.projectionCount], projections);
    if (slots.additionCount) feeds['para.additions'] = f32([slots.additionCount], additions);
  }
  return (await runGraph(graph, feeds)).out_sample!.data as Float32Array;
}
