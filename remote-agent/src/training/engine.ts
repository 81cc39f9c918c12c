import { type AdapterPlan, type Method, preparationNames as names } from '../adapters/method.ts';
import { worthThreads } from '../adapters/plan.ts';
import { ParaError } from '../common/errors.ts';
import { lap } from '../common/lap.ts';
import type { Base } from '../diffusion/base.ts';
import { type Conditioning, unetFeeds, unetShapes } from '../diffusion/denoiser.ts';
import type { Graph } from '../onnx/graph.ts';
import { encodeGraph, loadGraph } from '../onnx/io.ts';
import { findLayers, type Layer } from '../onnx/modules.ts';
import { type DeviceName, deviceByName } from '../runtime/device.ts';
import { placementText } from '../runtime/placement.ts';
import { createSession, type Session } from '../runtime/session.ts';
import { f32, type Tensor, toFloats } from '../runtime/tensor.ts';
import { takeParameters } from './basis-inside.ts';
import { buildStepGraph, prepareUnet, type StepShapes, stepNames, type UnetInputs } from './step-graph.ts';
import { createStepSession } from './step-session.ts';

/** One forward pass worth of examples; vectors hold the whole batch. */
export interface StepBatch extends Conditioning {
  /** Noised latents and what the U-Net should answer, f32[B, C, h, w]. */
  readonly noisy: Float32Array;
  readonly target: Float32Array;
  readonly weights: Float32Array;
  readonly timesteps: readonly number[];
}

/**
 * What the step graph reads, and what leads from its gradient back to the parameters; valid until those change. `kept` is
 * absent where the graph reads the parameters themselves.
 */
export interface Coefficients {
  readonly parameters: Float32Array;
  readonly values: Float32Array;
  readonly kept?: Tensor;
}

/** The names and shapes under which a base's U-Net is fed for a batch of these sizes: with a timestep for each example. */
export function unetInputs(base: Base, shapes: StepShapes): UnetInputs {
  const { sample, timestep, output } = base.unet.ports;
  return {
    sample: sample.name,
    timestep: timestep.name,
    shapes: { ...unetShapes(base, shapes), [timestep.name]: [shapes.batch] },
    output: output.name,
  };
}

/** Loads a base's U-Net as a graph of fixed sizes, with its layers. */
export function loadUnet(
  base: Base,
  shapes: StepShapes,
): { graph: Graph; layers: Layer[]; inputs: UnetInputs } {
  const graph = loadGraph(base.unet);
  const inputs = unetInputs(base, shapes);
  const { layers, unnamed } = findLayers(graph);
  if (unnamed.length > 0 && layers.length === 0)
    throw new ParaError('base', 'The layers of this U-Net cannot be told apart by name', {
      where: base.unet.path,
      hint: 'export the model again without optimisation',
    });
  prepareUnet(graph, inputs, shapes.batch);
  return { graph, layers, inputs };
}

/** Loss and gradient of one adapter on one base, for one fixed batch size and picture size. */
export class StepEngine {
  readonly plan: AdapterPlan;
  readonly #base: Base;
  readonly #shapes: StepShapes;
  readonly #step: Session;
  readonly #prepare: Session | undefined;
  readonly #pullback: Session | undefined;
  /** The step graph takes a scale of the gradient. */
  readonly #scaled: boolean;
  /** What the step graph reads of the adapter, and the gradient that it gives. */
  readonly #reads: string;
  readonly #gives: string;

  private constructor(
    plan: AdapterPlan,
    base: Base,
    shapes: StepShapes,
    sessions: { step: Session; prepare: Session | undefined; pullback: Session | undefined },
  ) {
    this.plan = plan;
    this.#base = base;
    this.#shapes = shapes;
    this.#step = sessions.step;
    this.#prepare = sessions.prepare;
    this.#pullback = sessions.pullback;
    const inside = sessions.step.inputs.some(({ name }) => name === stepNames.parameters);
    this.#reads = inside ? stepNames.parameters : stepNames.coefficients;
    this.#gives = inside ? stepNames.parametersGradient : stepNames.gradient;
    this.#scaled = sessions.step.inputs.some(({ name }) => name === stepNames.scale);
  }

  /** Builds and loads the step graph. @throws ParaError `no-gradient`, `graph`, `device`, `model-file` */
  static async create(options: {
    readonly base: Base;
    readonly method: Method;
    readonly plan: (layers: readonly Layer[]) => AdapterPlan;
    readonly shapes: StepShapes;
    readonly device: DeviceName;
    readonly lossOnly?: boolean;
    readonly memory?: 'fast' | 'lean';
    readonly precision?: 'f32' | 'f16';
    /** Where coefficients are made of parameters: in the step graph or before it; default: where the device is able to. */
    readonly bases?: 'device' | 'processor';
  }): Promise<StepEngine> {
    const { base, method, shapes, device } = options;
    const { graph, layers, inputs } = loadUnet(base, shapes);
    lap('read the U-Net');
    const plan = options.plan(layers);
    const { lossOnly = false, memory = 'fast', precision = 'f32' } = options;
    buildStepGraph(graph, { shapes, unet: inputs, method, plan, lossOnly, memory, precision });
    lap('build the step graph');
    const { partial, computesDoubles } = deviceByName(device);
    const { bases = computesDoubles ? 'device' : 'processor' } = options;
    const inside = bases === 'device' && takeParameters(graph, method, plan);
    const tellPlacement = partial && !lossOnly;
    const step = await createStepSession(graph, { device, directory: base.unet.weights, tellPlacement });
    lap('load the step graph');
    // The same bits whatever the number of threads; few values wait for them.
    const threads = worthThreads(plan.parameterCount) ? {} : { threads: 1 };
    const small = async (made: Graph | undefined) =>
      made && (await createSession(encodeGraph(made), { device: 'cpu', memoryPattern: false, ...threads }));
    const outside = inside ? undefined : method;
    const prepare = await small(outside?.prepareGraph?.(plan));
    const pullback = options.lossOnly ? undefined : await small(outside?.pullbackGraph?.(plan));
    lap('load the basis graphs');
    return new StepEngine(plan, base, shapes, { step, prepare, pullback });
  }

  /** What the step graph reads for these parameters (PaRa: the orthonormal bases). */
  async coefficients(parameters: Float32Array): Promise<Coefficients> {
    if (!this.#prepare) return { parameters, values: parameters };
    const out = await this.#prepare.run({ [names.parameters]: f32([parameters.length], parameters) });
    return { parameters, values: toFloats(out[names.coefficients]!), kept: out[names.kept]! };
  }

  /** Turns a gradient in the coefficients into one in the parameters that they were made from. */
  async pullback(coefficients: Coefficients, gradient: Float32Array): Promise<Float32Array> {
    const { parameters, kept } = coefficients;
    if (!this.#pullback || !kept) return gradient;
    const out = await this.#pullback.run({
      [names.parameters]: f32([parameters.length], parameters),
      [names.kept]: kept,
      [names.coefficientsGradient]: f32([gradient.length], gradient),
    });
    return toFloats(out[names.parametersGradient]!);
  }

  /**
   * Loss of a batch and its gradient in the coefficients (absent in an engine made with `lossOnly`).
   * @param scale in half precision, what gradients are multiplied by on their way (a power of two); the one that is given
   *   back is not
   */
  async run(
    { values }: Coefficients,
    batch: StepBatch,
    scale = 1,
  ): Promise<{ loss: number; gradient: Float32Array }> {
    const { batch: n, latentChannels, latentHeight, latentWidth } = this.#shapes;
    const latent = [n, latentChannels, latentHeight, latentWidth];
    const { shapes } = unetInputs(this.#base, this.#shapes);
    const feeds: Record<string, Tensor> = {
      ...unetFeeds(this.#base, shapes, batch.noisy, batch.timesteps, batch),
      [this.#reads]: f32([values.length], values),
      [stepNames.target]: f32(latent, batch.target),
      [stepNames.weight]: f32([n, 1, 1, 1], batch.weights),
      ...(this.#scaled ? { [stepNames.scale]: f32([], [scale]) } : {}),
    };
    lap('feeds');
    const out = await this.#step.run(feeds);
    lap('session');
    const gradient = out[this.#gives];
    return {
      loss: toFloats(out[stepNames.loss]!)[0]!,
      gradient: gradient ? toFloats(gradient) : new Float32Array(0),
    };
  }

  /**
   * Where the operators of a step run, in words, on a device that may leave some to the CPU; `undefined` on others and
   * before the first step.
   */
  get placement(): string | undefined {
    const { placement, device } = this.#step;
    return placement && placementText(placement, device.name);
  }

  async release(): Promise<void> {
    await this.#step.release();
    await this.#prepare?.release();
    await this.#pullback?.release();
  }
}
