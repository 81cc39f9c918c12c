import type { AdapterPlan, Method } from '../adapters/method.ts';
import { canonicalise } from '../autodiff/canonicalise.ts';
import { gradients } from '../autodiff/gradients.ts';
import { toHalfPrecision } from '../autodiff/half-precision.ts';
import { recompute } from '../autodiff/recompute.ts';
import { ParaError } from '../common/errors.ts';
import type { Graph } from '../onnx/graph.ts';
import { liftOpset } from '../onnx/lift-opset.ts';
import { prune } from '../onnx/prune.ts';
import { fixDimensions, simplify } from '../onnx/simplify.ts';
import { DataType, floatTensor, int64Tensor, valueInfo } from '../onnx/types.ts';
import { perExampleTimesteps } from './timestep-input.ts';

/** Sizes that a step graph is built for; they stay fixed for its session. */
export interface StepShapes {
  readonly batch: number;
  readonly latentChannels: number;
  readonly latentHeight: number;
  readonly latentWidth: number;
  /** Tokens of the text states (a multiple of the encoder's length). */
  readonly tokens: number;
}

/** Names and fixed shapes of the U-Net's own inputs, as found in its file. */
export interface UnetInputs {
  readonly sample: string;
  readonly timestep: string;
  /** All inputs with the shapes they are fixed to, `sample` and `timestep` included. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly output: string;
}

/** Names under which the step graph is fed and read, beside the U-Net's own inputs. */
export const stepNames = {
  coefficients: 'para.coefficients',
  target: 'para.target',
  weight: 'para.weight',
  /** f32[], of graphs in half precision: what gradients are multiplied by on their way. */
  scale: 'para.scale',
  loss: 'para.loss',
  gradient: 'para.gradient',
  /** What a graph reads and gives instead of coefficients and gradient, see `takeParameters`. */
  parameters: 'para.parameters',
  parametersGradient: 'para.parameters_gradient',
} as const;

export interface StepGraphOptions {
  readonly shapes: StepShapes;
  readonly unet: UnetInputs;
  readonly method: Method;
  readonly plan: AdapterPlan;
  /** Leave the gradients out: the same loss alone, for validation. */
  readonly lossOnly?: boolean;
  /** `lean` computes activations again for the backward pass instead of keeping them all; default `fast`. */
  readonly memory?: 'fast' | 'lean';
  /** `f16`: computed in mixed precision (see `toHalfPrecision`); default `f32`. */
  readonly precision?: 'f32' | 'f16';
}

/** Fixes every dimension of a loaded U-Net graph and removes what only served dynamic shapes. */
export function prepareUnet(graph: Graph, unet: UnetInputs, batch: number): void {
  perExampleTimesteps(graph, unet.timestep, batch);
  fixDimensions(graph, { ...unet.shapes, [unet.timestep]: [batch] });
  simplify(graph);
  liftOpset(graph);
}

/**
 * Turns a prepared U-Net graph (see `prepareUnet`) into a training step, in place: adapter attached, loss
 * `mean(weight * (output - target)^2)` over batch, channels and positions, and the gradient of the loss in the
 * adapter's flat coefficient vector. Further inputs: coefficients f32[m], target f32[B,C,h,w], weight f32[B,1,1,1], in
 * half precision scale f32[], which gradients are multiplied by on their way; outputs: loss f32[] and gradient f32[m],
 * divided by it.
 * @throws ParaError `no-gradient` when an operator on the way has no rule, `graph` when the output does not fit
 */
export function buildStepGraph(graph: Graph, options: StepGraphOptions): void {
  const { shapes, unet, method, plan } = options;
  const half = options.precision === 'f16';
  const { batch, latentChannels, latentHeight, latentWidth } = shapes;
  const latent = [batch, latentChannels, latentHeight, latentWidth];
  graph.addInput(stepNames.coefficients, DataType.FLOAT, [plan.coefficientCount]);
  method.attach(graph, plan, stepNames.coefficients);

  const outputShape = graph.types.get(unet.output)?.shape;
  if (outputShape && outputShape.join() !== latent.join())
    throw new ParaError('graph', `The U-Net gives [${outputShape}] where the latents are [${latent}]`, {
      where: unet.output,
      hint: "check that the base's U-Net and VAE belong together (para base check)",
    });
  appendLoss(graph, unet.output, latent);
  const loss = valueInfo(stepNames.loss, DataType.FLOAT, []);
  graph.setOutputs([loss]);
  canonicalise(graph);
  if (options.lossOnly) {
    if (half) toHalfPrecision(graph, [stepNames.coefficients]);
    return;
  }
  const forward = graph.nodes.length;
  const scale = half ? graph.addInput(stepNames.scale, DataType.FLOAT, []) : undefined;
  const found = gradients(graph, stepNames.loss, [stepNames.coefficients], scale);
  const gradient = found.get(stepNames.coefficients)!;
  const given = { outputs: [stepNames.gradient] };
  if (scale) {
    graph.push(graph.makeNode('Div', [gradient, scale], given));
    graph.exact.add(stepNames.gradient);
  } else graph.push(graph.makeNode('Identity', [gradient], given));
  graph.types.set(stepNames.gradient, { type: DataType.FLOAT, shape: [plan.coefficientCount] });
  graph.setOutputs([loss, valueInfo(stepNames.gradient, DataType.FLOAT, [plan.coefficientCount])]);
  if (options.memory === 'lean') recompute(graph, forward);
  prune(graph);
  if (half) toHalfPrecision(graph, [stepNames.coefficients]);
}

function appendLoss(graph: Graph, output: string, latent: readonly number[]): void {
  const [batch] = latent as [number];
  graph.addInput(stepNames.target, DataType.FLOAT, latent);
  graph.addInput(stepNames.weight, DataType.FLOAT, [batch, 1, 1, 1]);
  const type = DataType.FLOAT;
  const note = (name: string, shape: readonly number[]) => {
    graph.types.set(name, { type, shape });
    graph.exact.add(name);
    return name;
  };
  const count = latent.reduce((a, b) => a * b, 1);
  const scale = graph.setInitializer(floatTensor(graph.uniqueName('para.loss_scale'), [], [1 / count]));
  const difference = note(graph.add('Sub', [output, stepNames.target], { hint: 'para.difference' }), latent);
  const square = note(graph.add('Mul', [difference, difference], { hint: 'para.square' }), latent);
  const weighted = note(graph.add('Mul', [square, stepNames.weight], { hint: 'para.weighted' }), latent);
  const axes = graph.setInitializer(int64Tensor(graph.uniqueName('para.all_axes'), [4], [0, 1, 2, 3]));
  const sum = note(
    graph.add('ReduceSum', [weighted, axes], { hint: 'para.loss_sum', attributes: { keepdims: 0n } }),
    [],
  );
  graph.push(graph.makeNode('Mul', [sum, scale], { outputs: [stepNames.loss], hint: 'para.loss' }));
  note(stepNames.loss, []);
}
