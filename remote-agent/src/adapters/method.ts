import type { Graph } from '../onnx/graph.ts';

/** Names of the methods that exist; `methods.ts` lists their implementations. */
export type MethodName = 'para' | 'lora';

/** A layer of the base that can be adapted, as the graph shows it. */
export interface TargetLayer {
  /** Module path in diffusers, e.g. `down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q`. */
  readonly path: string;
  readonly kind: 'linear' | 'conv';
  /** Name of the MatMul, Gemm or Conv node. */
  readonly node: string;
  readonly dIn: number;
  readonly dOut: number;
  /** Height and width of a convolution's kernel; [1, 1] or nothing for a linear layer. */
  readonly kernel?: readonly [number, number];
}

/** What a user may set; a method refuses what it does not know. */
export interface MethodSettings {
  /** LoRA: rank of every layer (default 16). PaRa: ceiling on top of gamma. */
  readonly rank?: number;
  /** PaRa: the rank of a layer is at most `gamma * dOut` (default 1/40), and at least 1. */
  readonly gamma?: number;
  /** PaRa: distribution of B at the start: N(0, 0.02) or Kaiming-uniform with a = sqrt 5. */
  readonly init?: 'normal' | 'kaiming';
  /** LoRA: scale = alpha / rank. */
  readonly alpha?: number;
  /** LoRA: the scale itself (default 1); `'paper'` is 2.2, the baseline of the PaRa paper. Not together with alpha. */
  readonly scale?: number | 'paper';
}

/** One adapted layer and where its values lie in the flat vectors. */
export interface PlannedLayer extends Required<Omit<TargetLayer, 'node'>> {
  /** Nodes that use this layer's weight: one, or more where a module is called again. */
  readonly nodes: readonly string[];
  readonly rank: number;
  /** First element in the flat parameter vector (and in the coefficient vector). */
  readonly offset: number;
  /** Number of elements. */
  readonly length: number;
}

/** Which layers a method adapts, with which rank, and how the flat vectors are laid out. */
export interface AdapterPlan {
  readonly method: MethodName;
  /** Layers in the order of the flat vectors. */
  readonly layers: readonly PlannedLayer[];
  /** Factor of additions (LoRA's alpha / rank); 1 where a method has none. */
  readonly scale: number;
  readonly init: 'normal' | 'kaiming';
  /** Length of the vector that the optimiser owns. */
  readonly parameterCount: number;
  /** Length of the vector that the step graph reads. */
  readonly coefficientCount: number;
}

/** Dense row-major f32 tensor. */
export interface FloatTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** `y0 -> y0 - s Q Q^T y0` on a layer's output channels; `basis` is Q, f64[dOut, rank], orthonormal columns. */
export interface Projection {
  readonly kind: 'projection';
  readonly path: string;
  readonly dOut: number;
  readonly rank: number;
  readonly basis: Float64Array;
}

/** `y0 -> y0 + s scale up(down(x))`; down f32[rank, dIn * kh * kw], up f32[dOut, rank]. */
export interface Addition {
  readonly kind: 'addition';
  readonly path: string;
  readonly dIn: number;
  readonly dOut: number;
  readonly kernel: readonly [number, number];
  readonly rank: number;
  readonly scale: number;
  readonly down: Float32Array;
  readonly up: Float32Array;
}

/** What an adapter does to one layer. */
export type LayerOperator = Projection | Addition;

/** Names of the inputs and outputs of the two preparation graphs. */
export const preparationNames = {
  parameters: 'parameters',
  coefficients: 'coefficients',
  kept: 'kept',
  coefficientsGradient: 'coefficients_gradient',
  parametersGradient: 'parameters_gradient',
} as const;

/** A way to adapt a base. Adding one means one file, its name in `MethodName` and one line in `methods.ts`. */
export interface Method {
  readonly name: MethodName;
  /** Strengths that make sense, with the reason that is given when refusing others. */
  readonly strength: { readonly minimum: number; readonly maximum: number; readonly because: string };
  /** @throws ParaError `settings` for values out of range, contradictions and settings of another method */
  plan(layers: readonly TargetLayer[], settings: MethodSettings): AdapterPlan;
  /** First parameter vector, f32[parameterCount]; every bit follows from plan and seed. */
  initialise(plan: AdapterPlan, seed: number): Float32Array;
  /**
   * Rewires every planned layer of `graph` in place; reads the value `coefficients`, f32[coefficientCount], which
   * the caller has declared. Types of new values are recorded where those of the layer's output are known.
   */
  attach(graph: Graph, plan: AdapterPlan, coefficients: string): void;
  /**
   * Graph parameters f32[n] -> coefficients f32[m] and kept (anything that the pullback wants), run before each step;
   * absent: parameters and coefficients are the same vector.
   */
  prepareGraph?(plan: AdapterPlan): Graph;
  /**
   * Graph (parameters f32[n], kept, coefficients_gradient f32[m]) -> parameters_gradient f32[n]; there where
   * `prepareGraph` is.
   */
  pullbackGraph?(plan: AdapterPlan): Graph;
  /** The trained tensors under names relative to the layer (`<path>.<part>`), as adapter files hold them. */
  tensors(plan: AdapterPlan, parameters: Float32Array): Map<string, FloatTensor>;
  /** The flat vector from `tensors`. @throws ParaError `adapter` when one is missing or has another shape */
  fromTensors(plan: AdapterPlan, tensors: ReadonlyMap<string, FloatTensor>): Float32Array;
  /** What an adapter with these tensors does to each layer; `scales` by path, 1 where absent. */
  operators(tensors: ReadonlyMap<string, FloatTensor>, scales: ReadonlyMap<string, number>): LayerOperator[];
}
