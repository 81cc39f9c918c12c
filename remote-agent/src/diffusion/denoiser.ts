import { slotNames } from '../adapters/slots.ts';
import { toHalfPrecision } from '../autodiff/half-precision.ts';
import { ParaError } from '../common/errors.ts';
import { activationPeak } from '../onnx/buffers.ts';
import { fuseAttention } from '../onnx/fuse-attention.ts';
import type { Graph } from '../onnx/graph.ts';
import { loadGraph } from '../onnx/io.ts';
import { fixDimensions, simplify } from '../onnx/simplify.ts';
import { createGraphSession } from '../runtime/graph-session.ts';
import type { Session, SessionOptions } from '../runtime/session.ts';
import { type Tensor, tensorOf, toFloats } from '../runtime/tensor.ts';
import type { Base } from './base.ts';
import type { GraphPort } from './base-ports.ts';
import type { Precision } from './precision.ts';

/** Sizes that a denoiser is built for; they stay fixed for its session. */
export interface DenoiserShape {
  /** Latents per call (with guidance: twice the pictures). */
  readonly batch: number;
  readonly latentHeight: number;
  readonly latentWidth: number;
  /** Tokens of the text states. */
  readonly tokens: number;
}

/** What one row of a call is conditioned on. */
export interface Conditioning {
  /** [batch, tokens, width] */
  readonly hidden: Float32Array;
  /** [batch, pooledWidth] */
  readonly pooled: Float32Array;
  /** [batch, 6]: original height and width, crop top and left, target height and width, in pixels. */
  readonly timeIds: Float32Array;
}

/** How a U-Net is changed before it is loaded. */
export interface UnetForm {
  /** Changes the graph, e.g. gives layers slots for adapters; its dimensions are fixed and its types known then. */
  readonly edit?: (graph: Graph) => void;
  /** Default f32. */
  readonly precision?: Precision;
}

export interface DenoiserOptions extends SessionOptions, UnetForm {}

/**
 * SDXL's size conditioning (Podell et al. 2023, section 2.2): original height and width, crop top and left, target
 * height and width, in pixels. Without `cut`, a picture that was neither scaled nor cropped.
 * @param cut size of the picture as it came, and corner of the part that is shown, in the picture scaled to cover
 *   the target
 */
export function timeIds(
  width: number,
  height: number,
  cut: {
    readonly original: { readonly width: number; readonly height: number };
    readonly left: number;
    readonly top: number;
  } = { original: { width, height }, left: 0, top: 0 },
): readonly number[] {
  const { original, left, top } = cut;
  return [original.height, original.width, top, left, height, width];
}

/**
 * Bytes of activations up to which the runtime may lay them out beforehand. It then holds them twice: as the first run took
 * them, and in one piece for all later runs.
 */
const mostPatterned = 2 ** 25;

/** The base's U-Net as one resident forward session of a fixed size. */
export class Denoiser {
  readonly shape: DenoiserShape;
  readonly #base: Base;
  readonly #session: Session;
  /** Rows per run of the session; smaller than the batch where the export has a fixed batch size. */
  readonly #rows: number;

  private constructor(base: Base, shape: DenoiserShape, session: Session, rows: number) {
    this.#base = base;
    this.shape = shape;
    this.#session = session;
    this.#rows = rows;
  }

  /** @throws ParaError `base` for sizes that the export does not take, `model-file`, `device` */
  static async open(base: Base, shape: DenoiserShape, options: DenoiserOptions = {}): Promise<Denoiser> {
    const rows = rowsPerRun(base, shape.batch);
    const made = await openUnet(base, { ...shape, batch: rows }, options);
    return new Denoiser(base, shape, made, rows);
  }

  /**
   * One call of the U-Net: its output for latents [batch, C, h, w] at one timestep.
   * @param extra feeds of inputs that `edit` added
   */
  async run(
    latents: Float32Array,
    timestep: number,
    conditioning: Conditioning,
    extra: Readonly<Record<string, Tensor>> = {},
  ): Promise<Float32Array> {
    const { batch } = this.shape;
    const shapes = unetShapes(this.#base, { ...this.shape, batch: this.#rows });
    const timesteps = new Array<number>(shapes[this.#base.unet.ports.timestep.name]![0] ?? 1).fill(timestep);
    const out = new Float32Array(latents.length);
    const stride = (vector: Float32Array) => vector.length / batch;
    for (let row = 0; row < batch; row += this.#rows) {
      const rows = (vector: Float32Array) =>
        vector.subarray(row * stride(vector), (row + this.#rows) * stride(vector));
      const feeds = unetFeeds(this.#base, shapes, rows(latents), timesteps, {
        hidden: rows(conditioning.hidden),
        pooled: rows(conditioning.pooled),
        timeIds: rows(conditioning.timeIds),
      });
      const { name } = this.#base.unet.ports.output;
      const result = (await this.#session.run({ ...feeds, ...extra }, [name]))[name]!;
      out.set(toFloats(result), row * stride(latents));
    }
    return out;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** A session of the U-Net alone. @throws ParaError as `Denoiser.open` */
export function openUnet(base: Base, shape: DenoiserShape, options: DenoiserOptions = {}): Promise<Session> {
  const graph = forwardGraph(base, shape, options);
  return createGraphSession(graph, {
    memoryPattern: activationPeak(graph) < mostPatterned,
    ...options,
    externalDataDirectory: base.unet.weights,
  });
}

/**
 * The U-Net as a session loads it: of fixed sizes, changed by `edit`, with fused attention, in f16 if asked for, where
 * what adapters' slots are fed stays f32. One whose operators are not all understood is loaded as it is where nothing is
 * to be changed.
 * @throws ParaError `base`, `graph`
 */
export function forwardGraph(
  base: Base,
  shape: DenoiserShape,
  { edit, precision = 'f32' }: UnetForm = {},
): Graph {
  const load = () => {
    const graph = loadGraph(base.unet);
    fixDimensions(graph, unetShapes(base, shape));
    return graph;
  };
  const graph = load();
  try {
    simplify(graph);
  } catch (cause) {
    if (edit || precision === 'f16' || !(cause instanceof ParaError)) throw cause;
    return load();
  }
  edit?.(graph);
  fuseAttention(graph);
  if (precision === 'f16') toHalfPrecision(graph, Object.values(slotNames));
  return graph;
}

/**
 * Shapes of all U-Net inputs by name, for `fixDimensions`.
 * @throws ParaError `base` where the export fixed another size
 */
export function unetShapes(base: Base, shape: DenoiserShape): Record<string, number[]> {
  const { ports, hiddenWidth } = base.unet;
  const { batch, latentHeight, latentWidth, tokens } = shape;
  const pooledWidth = ports.pooled?.dims[1] ?? base.textEncoders.at(-1)!.ports.pooled?.dims[1] ?? 0;
  const timeShape = ports.timestep.dims.length === 0 ? [] : [ports.timestep.dims[0] === 1 ? 1 : batch];
  const wanted: [GraphPort, number[]][] = [
    [ports.sample, [batch, base.latentChannels, latentHeight, latentWidth]],
    [ports.timestep, timeShape],
    [ports.hidden, [batch, tokens, hiddenWidth]],
    ...(ports.pooled ? [[ports.pooled, [batch, pooledWidth]] as [GraphPort, number[]]] : []),
    ...(ports.timeIds ? [[ports.timeIds, [batch, 6]] as [GraphPort, number[]]] : []),
  ];
  for (const [port, dims] of wanted)
    for (const [axis, fixed] of port.dims.entries())
      if (fixed !== undefined && fixed !== dims[axis])
        throw new ParaError(
          'base',
          `The U-Net was exported for "${port.name}" of shape [${port.dims.map((d) => d ?? '?').join(', ')}] only, not [${dims.join(', ')}]`,
          { where: base.unet.path, hint: 'use the size it was exported for, or export it with dynamic axes' },
        );
  return Object.fromEntries(wanted.map(([port, dims]) => [port.name, dims]));
}

/** Feeds for a U-Net whose inputs have these shapes (see `unetShapes`). */
export function unetFeeds(
  base: Base,
  shapes: Readonly<Record<string, readonly number[]>>,
  latents: Float32Array,
  timesteps: readonly number[],
  { hidden, pooled, timeIds }: Conditioning,
): Record<string, Tensor> {
  const { ports } = base.unet;
  const times = ports.timestep.type.startsWith('int') ? timesteps.map(Math.round) : timesteps;
  const feed = (port: GraphPort, values: ArrayLike<number>): [string, Tensor] => [
    port.name,
    tensorOf(port.type, shapes[port.name]!, values),
  ];
  return Object.fromEntries([
    feed(ports.sample, latents),
    feed(ports.timestep, times),
    feed(ports.hidden, hidden),
    ...(ports.pooled ? [feed(ports.pooled, pooled)] : []),
    ...(ports.timeIds ? [feed(ports.timeIds, timeIds)] : []),
  ]);
}

function rowsPerRun(base: Base, batch: number): number {
  const fixed = base.unet.ports.sample.dims[0];
  if (fixed === undefined || batch % fixed !== 0) return batch;
  return fixed;
}
