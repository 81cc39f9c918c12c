import { loadGraph, type ModelPlace } from '../onnx/io.ts';
import { findLayers, type Layer, readWeight } from '../onnx/modules.ts';
import type { ReadWeight } from './as-lora.ts';

/**
 * All layers of a base's U-Net and a reader of their weights, for exporting and importing adapters.
 * @param unet the U-Net's ONNX file; weights are read from it (or from its external data) one at a time
 */
export function baseWeights(unet: string | ModelPlace): { layers: Layer[]; readWeight: ReadWeight } {
  const graph = loadGraph(unet);
  const { layers } = findLayers(graph);
  const byPath = new Map(layers.map((layer) => [layer.path, layer]));
  return { layers, readWeight: (name) => readWeight(graph, byPath.get(name)!) };
}
