import { prepacksWeights } from '../diffusion/training-memory.ts';
import type { Graph } from '../onnx/graph.ts';
import type { DeviceName } from '../runtime/device.ts';
import { createGraphSession } from '../runtime/graph-session.ts';
import type { Session } from '../runtime/session.ts';

/**
 * Fusions whose results round otherwise than what they replace. They apply where nothing but the next operator reads a
 * value, so they would treat `fast` and `lean` differently.
 */
const unevenFusions = ['MatMulScaleFusion', 'QuickGeluFusion'];

/**
 * Loads a graph from `buildStepGraph` (external data of its weights in `directory`).
 * @throws ParaError `device`, `model-file`
 */
export function createStepSession(
  graph: Graph,
  options: { readonly device: DeviceName; readonly directory?: string; readonly tellPlacement?: boolean },
): Promise<Session> {
  const { device, directory, tellPlacement = false } = options;
  return createGraphSession(graph, {
    device,
    tellPlacement,
    optimization: 'extended',
    memoryPattern: false,
    ...(directory === undefined ? {} : { externalDataDirectory: directory }),
    settings: {
      'optimization.disable_specified_optimizers': unevenFusions.join(';'),
      ...(prepacksWeights(graph) ? {} : { 'session.disable_prepacking': '1' }),
    },
  });
}
