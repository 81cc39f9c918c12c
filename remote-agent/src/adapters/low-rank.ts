import { ParaError } from '../common/errors.ts';
import { intAttribute, intsAttribute } from '../onnx/attributes.ts';
import type { Rewiring, Site } from './rewiring.ts';

/** What the nodes of a low-rank operator need to know of their layer. */
export interface LowRankLayer {
  readonly path: string;
  readonly kind: 'linear' | 'conv';
  readonly dIn: number;
  readonly dOut: number;
  readonly kernel: readonly [number, number];
  readonly rank: number;
}

type Shape = readonly (number | undefined)[];

const withLast = (shape: Shape | undefined, last: number): Shape | undefined =>
  shape && [...shape.slice(0, -1), last];

/**
 * Emits `y - U V` applied to the layer's output channels, `U = up` [dOut, r], `V = down` [r, dOut] in column
 * notation (`y - up (down y)`). A linear layer multiplies rows, so it is given the two the other way round:
 * `y - (y first) second` with first [dOut, r] and second [r, dOut]. Where `y` already holds the bias b,
 * `y - P (y - b)` equals adding the bias afterwards, at the price of one product of a vector.
 * @param wide f[dOut, r]
 * @param flat f[r, dOut]
 * @returns name of the projected value, `output` where given
 */
export function projectOutput(
  rewiring: Rewiring,
  site: Site,
  layer: LowRankLayer,
  wide: string,
  flat: string,
  output?: string,
): string {
  const { path, kind, rank, dOut } = layer;
  const { y, bias, type } = site;
  const conv = kind === 'conv';
  const hint = `${path}.projection`;
  const named = output ? { output } : { type: type?.type, shape: type?.shape };
  const value = conv ? rewiring.flattenPixels(y, dOut, `${hint}_in`) : y;
  const known = rewiring.graph.types.get(value);
  const thin = known && (conv ? [known.shape[0], rank, known.shape[2]] : withLast(known.shape, rank));
  let z = rewiring.emit('MatMul', conv ? [flat, value] : [value, wide], {
    hint: `${hint}_down`,
    type: type?.type,
    shape: thin,
  });
  if (bias) {
    const dims = conv ? [dOut, 1] : [1, dOut];
    const b = rewiring.emit('Reshape', [bias, rewiring.integers(dims)], {
      hint: `${hint}_bias`,
      type: type?.type,
      shape: dims,
    });
    const thinBias = rewiring.emit('MatMul', conv ? [flat, b] : [b, wide], {
      hint: `${hint}_bias_down`,
      type: type?.type,
      shape: conv ? [rank, 1] : [1, rank],
    });
    z = rewiring.emit('Sub', [z, thinBias], { hint: `${hint}_unbiased`, type: type?.type, shape: thin });
  }
  const p = rewiring.emit('MatMul', conv ? [wide, z] : [z, flat], {
    hint: `${hint}_up`,
    type: type?.type,
    shape: known?.shape,
  });
  const removed = conv ? rewiring.asPixels(p, y, `${hint}_out`) : p;
  return rewiring.emit('Sub', [y, removed], { hint, ...named });
}

/**
 * Emits `y + up(down(x))`. Linear: a f[dIn, r], b f[r, dOut]. Convolution: a f[r, dIn, kh, kw] convolves as the
 * layer does, b f[dOut, r] mixes channels.
 * @returns name of the sum, `output` where given
 */
export function addToOutput(
  rewiring: Rewiring,
  site: Site,
  layer: LowRankLayer,
  a: string,
  b: string,
  output?: string,
): string {
  const { path, kind, rank, dOut } = layer;
  const { x, y, type } = site;
  const hint = `${path}.addition`;
  const named = output ? { output } : { type: type?.type, shape: type?.shape };
  if (kind === 'linear') {
    const shape = withLast(type?.shape, rank);
    const z = rewiring.emit('MatMul', [x, a], { hint: `${hint}_down`, type: type?.type, shape });
    const d = rewiring.emit('MatMul', [z, b], { hint: `${hint}_up`, type: type?.type, shape: type?.shape });
    return rewiring.emit('Add', [y, d], { hint, ...named });
  }
  const thin = rewiring.flattenPixels(convolved(rewiring, site, layer, a), rank, `${hint}_in`);
  const [n, , pixels] = rewiring.graph.types.get(thin)?.shape ?? [];
  const d = rewiring.emit('MatMul', [b, thin], {
    hint: `${hint}_up`,
    type: type?.type,
    shape: type && [n, dOut, pixels],
  });
  return rewiring.emit('Add', [y, rewiring.asPixels(d, y, `${hint}_out`)], { hint, ...named });
}

/** The layer's own convolution of `x` with the kernels `a`, f[N, rank, h, w]. */
function convolved(rewiring: Rewiring, { node, x, type }: Site, layer: LowRankLayer, a: string): string {
  const { path, rank, kernel } = layer;
  if (intAttribute(node, 'group', 1) !== 1)
    throw new ParaError('graph', `The layer ${path} is a grouped convolution, which LoRA cannot adapt`, {
      where: node.name,
      hint: 'leave it out of the layers to adapt',
    });
  const attributes: Record<string, bigint[]> = { kernel_shape: kernel.map(BigInt) };
  for (const name of ['strides', 'pads', 'dilations']) {
    const values = intsAttribute(node, name);
    if (values) attributes[name] = values.map(BigInt);
  }
  const [n, , h, w] = type?.shape ?? [];
  return rewiring.emit('Conv', [x, a], {
    hint: `${path}.addition_down`,
    attributes,
    type: type?.type,
    shape: type && [n, rank, h, w],
  });
}
