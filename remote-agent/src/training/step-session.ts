import type { Graph } from '../onnx/graph.ts';
import { encodeGraph } from '../onnx/io.ts';
import { countOf, dimsOf } from '../onnx/tensor-data.ts';
import type { DeviceName } from '../runtime/device.ts';
import { createSession, type Session } from '../runtime/session.ts';

/**
 * Fusions whose results round otherwise than what they replace. They apply where nothing but the next operator reads a
 * value, so they would treat `fast` and `lean` differently.
 */
const unevenFusions = ['MatMulScaleFusion', 'QuickGeluFusion'];

/**
 * Weights, in elements, up to which every reader of a weight gets a copy laid out for it: some 10 % faster, but a step
 * reads a weight up to three times.
 */
const mostPrepacked = 2 ** 27;

/** Whether the runtime copies the weights of a step graph for each of their readers. */
export function prepacksWeights(graph: Graph): boolean {
  let count = 0;
  for (const tensor of graph.initializers.values()) count += countOf(dimsOf(tensor));
  return count <= mostPrepacked;
}

/**
 * Loads a graph from `buildStepGraph` (external data of its weights in `directory`).
 * @throws ParaError `device`, `model-file`
 */
export function createStepSession(
  graph: Graph,
  options: { readonly device: DeviceName; readonly directory?: string },
): Promise<Session> {
  const { device, directory } = options;
  return createSession(encodeGraph(graph), {
    device,
    optimization: 'extended',
    memoryPattern: false,
    ...(directory === undefined ? {} : { externalDataDirectory: directory }),
    settings: {
      'optimization.disable_specified_optimizers': unevenFusions.join(';'),
      ...(prepacksWeights(graph) ? {} : { 'session.disable_prepacking': '1' }),
    },
  });
}
