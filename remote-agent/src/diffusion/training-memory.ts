import { chooseLayers } from '../adapters/layers.ts';
import type { AdapterPlan, Method } from '../adapters/method.ts';
import { methodByName } from '../adapters/methods.ts';
import { worthThreads } from '../adapters/plan.ts';
import { canonicalise } from '../autodiff/canonicalise.ts';
import { gradients } from '../autodiff/gradients.ts';
import { toHalfPrecision } from '../autodiff/half-precision.ts';
import { recompute } from '../autodiff/recompute.ts';
import { activationPeak } from '../onnx/buffers.ts';
import type { Graph } from '../onnx/graph.ts';
import { loadGraph } from '../onnx/io.ts';
import { liftOpset } from '../onnx/lift-opset.ts';
import { findLayers, type Layer } from '../onnx/modules.ts';
import { prune } from '../onnx/prune.ts';
import { fixDimensions, simplify } from '../onnx/simplify.ts';
import { DataType, valueInfo } from '../onnx/types.ts';
import { weightBytes } from '../onnx/weights.ts';
import { type DeviceName, deviceByName } from '../runtime/device.ts';
import type { Base } from './base.ts';
import { type DenoiserShape, unetShapes } from './denoiser.ts';
import { type Computing, onProcessor } from './precision.ts';

/** Weights, in bytes as f32, up to which every reader of a weight gets a copy laid out for it: some 10 % faster. */
const mostPrepacked = 2 ** 29;

/** Whether a training session lets the runtime copy weights for their readers. */
export const prepacksWeights = (graph: Graph): boolean => weightBytes(graph) <= mostPrepacked;

/** What the process that trains or draws holds whatever it loads: the program, the runtime, its threads; in bytes. */
export const processBytes = 45e6;

/**
 * What the runtime and the building of a graph leave for each of its operators, in bytes. On a GPU, where they do not lie,
 * this stands for its context and its libraries.
 */
const operatorBytes = 27e3;

/**
 * Bytes of a loaded session while it runs, from its graph: weights, operators, activations and what operators work in.
 * @param copies how often weights are held, e.g. laid out for each of their readers
 */
export const sessionBytes = (graph: Graph, copies: number): number =>
  copies * weightBytes(graph) + operatorBytes * graph.nodes.length + activationPeak(graph);

/** How often a device holds the weights of a session that is not told otherwise. */
export const weightCopies = (device: DeviceName): number => (deviceByName(device).copiesWeights ? 2 : 1);

/** How the layers of a base are adapted. */
export interface Adapting {
  readonly method: Method;
  readonly plan: (layers: readonly Layer[]) => AdapterPlan;
}

/** The method with most parameters on the layers of the default preset; on all where the base has none of these. */
const usual: Adapting = {
  method: methodByName('lora'),
  plan: (layers) => {
    let chosen = layers;
    try {
      chosen = chooseLayers(layers, 'attention');
    } catch {
      // A base without attention of that name: any layer may be adapted.
    }
    return methodByName('lora').plan(chosen, {});
  },
};

/** The U-Net with its adapter up to a loss, as training and validation load it. */
function lossGraph(base: Base, sizes: DenoiserShape, { method, plan }: Adapting) {
  const graph = loadGraph(base.unet);
  const { layers } = findLayers(graph);
  fixDimensions(graph, unetShapes(base, sizes));
  simplify(graph);
  liftOpset(graph);
  const planned = plan(layers);
  const coefficients = graph.uniqueName('coefficients');
  graph.addInput(coefficients, DataType.FLOAT, [planned.coefficientCount]);
  method.attach(graph, planned, coefficients);
  const output = graph.outputs[0]!.name;
  const loss = graph.add('ReduceSumSquare', [output], { attributes: { keepdims: 0n } });
  graph.types.set(loss, { type: DataType.FLOAT, shape: [] });
  graph.setOutputs([valueInfo(loss, DataType.FLOAT, [])]);
  canonicalise(graph);
  return { graph, planned, coefficients, loss };
}

/** Bytes of such a graph's session, changed in place to the precision it is computed in. */
function stepBytes(graph: Graph, coefficients: string, { device, precision }: Computing): number {
  if (precision === 'f16') toHalfPrecision(graph, [coefficients]);
  return sessionBytes(graph, prepacksWeights(graph) ? weightCopies(device) : 1);
}

/**
 * Bytes of a session that measures the loss of batches of these sizes.
 * @throws ParaError `graph`
 */
export function lossBytes(
  base: Base,
  sizes: DenoiserShape,
  adapting: Adapting = usual,
  computing: Computing = onProcessor,
): number {
  const { graph, coefficients } = lossGraph(base, sizes, adapting);
  return stepBytes(graph, coefficients, computing);
}

/**
 * Bytes of all that trains on batches of these sizes, from a step graph built for it; `processBytes` come on top.
 * docs/performance.md holds it against what processes were seen to take. In half precision it is that of a device with
 * kernels for it.
 * @throws ParaError `no-gradient`, `graph`
 */
export function trainingBytes(
  base: Base,
  sizes: DenoiserShape,
  memory: 'fast' | 'lean',
  adapting: Adapting = usual,
  computing: Computing = onProcessor,
): number {
  const { graph, planned, coefficients, loss } = lossGraph(base, sizes, adapting);
  const forward = graph.nodes.length;
  const gradient = gradients(graph, loss, [coefficients]).get(coefficients)!;
  graph.setOutputs([loss, gradient].map((name) => valueInfo(name, DataType.FLOAT, [])));
  if (memory === 'lean') recompute(graph, forward);
  prune(graph);
  return stepBytes(graph, coefficients, computing) + adapterBytes(adapting.method, planned, computing.device);
}

/**
 * Bytes that an adapter takes beside the step's session. Where the device has memory of its own, only what the step reads
 * lies there, and what that is made of where it is made there. Elsewhere it is all that a run holds of it: parameters and
 * the optimiser's two moments, the gradient of the step and the one before, which is still to be collected; copies of
 * parameters and gradient where the optimiser has threads; where coefficients are made from parameters, those, the gradient
 * that is taken back to the parameters, and the two sessions that do so.
 */
function adapterBytes(method: Method, plan: AdapterPlan, device: DeviceName): number {
  const { parameterCount, coefficientCount } = plan;
  const { sharesMemory, computesDoubles } = deviceByName(device);
  if (!sharesMemory)
    // The parameters too and, in double precision, the bases that are being made of them.
    return 4 * coefficientCount + (computesDoubles && method.prepareGraph ? 20 * parameterCount : 0);
  const made = [method.prepareGraph?.(plan), method.pullbackGraph?.(plan)].filter(
    (graph) => graph !== undefined,
  );
  const copied = worthThreads(parameterCount) ? 2 * parameterCount : 0;
  const vectors = 3 * parameterCount + 2 * coefficientCount + copied;
  const between = made.length > 0 ? parameterCount + coefficientCount : 0;
  return made.reduce((sum, graph) => sum + smallSessionBytes(graph), 4 * (vectors + between));
}

/** The same as `operatorBytes` for the many small operators of these: seen on 33,000 of them. */
const smallOperatorBytes = 6e3;

/** Bytes of a session that a method works with beside the step. */
function smallSessionBytes(graph: Graph): number {
  simplify(graph);
  return weightBytes(graph) + smallOperatorBytes * graph.nodes.length + activationPeak(graph);
}
