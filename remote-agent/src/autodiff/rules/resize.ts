import { floatAttribute, intAttribute, intsAttribute, stringAttribute } from '../../onnx/attributes.ts';
import type { NodeProto } from '../../onnx/proto/onnx_pb.ts';
import { floatTensor } from '../../onnx/types.ts';
import type { Emitter } from '../emitter.ts';
import { register, type Supports } from '../registry.ts';

/** Where output position `i` lies among `from` inputs (ONNX Resize, `coordinate_transformation_mode`). */
function coordinate(mode: string, i: number, from: number, to: number, scale: number): number {
  switch (mode) {
    case 'asymmetric':
      return i / scale;
    case 'align_corners':
      return to === 1 ? 0 : (i * (from - 1)) / (to - 1);
    case 'pytorch_half_pixel':
      return to === 1 ? 0 : (i + 0.5) / scale - 0.5;
    case 'half_pixel_symmetric':
      return (from / 2) * (1 - to / (scale * from)) + (i + 0.5) / scale - 0.5;
    default:
      return (i + 0.5) / scale - 0.5;
  }
}

const roundings: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** Weights [input, share] of each output position along one axis. */
function sources(node: NodeProto, from: number, to: number, scale: number): [number, number][][] {
  const mode = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  const nearest = roundings[stringAttribute(node, 'nearest_mode', 'round_prefer_floor')]!;
  const clamp = (i: number) => Math.min(Math.max(i, 0), from - 1);
  return Array.from({ length: to }, (_, i) => {
    const x = coordinate(mode, i, from, to, scale);
    if (stringAttribute(node, 'mode', 'nearest') === 'nearest') return [[clamp(nearest(x)), 1]];
    const low = Math.floor(x);
    return [
      [clamp(low), 1 - (x - low)],
      [clamp(low + 1), x - low],
    ];
  });
}

const supports: Supports = ({ node, emit }) => {
  const mode = stringAttribute(node, 'mode', 'nearest');
  if (mode !== 'nearest' && mode !== 'linear') return `its mode is ${mode}`;
  const how = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  if (how === 'tf_crop_and_resize') return 'it crops';
  if (intAttribute(node, 'antialias', 0) !== 0) return 'it smooths';
  if (stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    return 'it keeps the ratio of its sides';
  if (floatAttribute(node, 'extrapolation_value', 0) !== 0) return 'it extrapolates';
  if (node.input[2] && emit.shape(node.input[2])[0]! > 0 && !emit.constantValues(node.input[2]))
    return 'its scales are not constants';
  const from = emit.shape(node.input[0]!);
  const to = emit.shape(node.output[0]!);
  return from.some((d, i) => d !== to[i] && i < from.length - 2) ? 'it resizes channels' : undefined;
};

// Linear in its input: the gradient is the transposed weights. Whole blocks of the nearest neighbour are summed, which
// needs no constants; anything else is a product with the weights along each axis.
register(
  ['Resize'],
  ({ node, emit, outputs: [g] }) => {
    const from = emit.shape(node.input[0]!);
    const to = emit.shape(node.output[0]!);
    const rank = from.length;
    const scales = node.input[2] ? emit.constantValues(node.input[2]) : undefined;
    const axes = intsAttribute(node, 'axes')?.map((a) => (a < 0 ? a + rank : a)) ?? [...from.keys()];
    const blocks: number[] = [];
    const summed: number[] = [];
    let value = g!;
    for (let axis = rank - 1; axis >= 0; axis--) {
      const [d, size] = [from[axis]!, to[axis]!];
      const taken = d === size ? [] : sources(node, d, size, scales?.[axes.indexOf(axis)] ?? size / d);
      const factor = size / d;
      if (taken.every((s, i) => s.length === 1 && s[0]![0] === Math.floor(i / factor) && size % d === 0)) {
        blocks.unshift(...(d === size ? [d] : [d, factor]));
        continue;
      }
      value = alongAxis(emit, value, axis, taken, d);
      blocks.unshift(d);
    }
    if (blocks.length === rank) return [value];
    // Positions of the factors among the blocks.
    let at = 0;
    for (const axis of from.keys()) {
      const split = emit.shape(value)[axis] !== from[axis];
      if (split) summed.push(at + 1);
      at += split ? 2 : 1;
    }
    return [emit.reduce('ReduceSum', emit.reshape(value, blocks), summed, false)];
  },
  supports,
);

/** Product with the transposed weights along the last or the last but one axis. */
function alongAxis(
  emit: Emitter,
  value: string,
  axis: number,
  taken: readonly (readonly [number, number])[][],
  from: number,
): string {
  const last = axis === emit.shape(value).length - 1;
  const to = taken.length;
  const weights = new Float32Array(from * to);
  for (const [i, list] of taken.entries())
    for (const [j, share] of list) {
      const at = last ? i * from + j : j * to + i;
      weights[at] = weights[at]! + share;
    }
  const dims = last ? [to, from] : [from, to];
  const { graph } = emit;
  const matrix = graph.setInitializer(floatTensor(graph.uniqueName('d.resize'), dims, weights));
  graph.types.set(matrix, { type: 1, shape: dims });
  return last ? emit.matmul(value, matrix) : emit.matmul(matrix, value);
}
