import { intAttribute, stringAttribute } from '../../onnx/attributes.ts';
import type { NodeProto } from '../../onnx/proto/onnx_pb.ts';
import { sliceBounds } from '../../onnx/shapes.ts';
import { DataType } from '../../onnx/types.ts';
import type { Emitter } from '../emitter.ts';
import type { PartialGradient } from '../registry.ts';
import { register } from '../registry.ts';
import { filled } from './fill.ts';

const positive = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);

/** The node's inputs as far as they are constants, for `sliceBounds`. */
function constants(node: NodeProto, emit: Emitter) {
  return node.input.map((name, i) => {
    const value = name && i > 0 ? emit.constantValues(name) : undefined;
    return name ? { type: 1, shape: emit.shape(name), ...(value ? { value } : {}) } : undefined;
  });
}

/** Backwards along one axis. */
const reversed = (emit: Emitter, x: string, axis: number) =>
  emit.op(
    'Slice',
    [x, emit.ints([-1]), emit.ints([-(2 ** 31)]), emit.ints([axis]), emit.ints([-1])],
    emit.shape(x),
  );

/** Puts `step - 1` zeros between neighbours along one axis. */
function spread(emit: Emitter, x: string, axis: number, step: number): string {
  const shape = emit.shape(x);
  const n = shape[axis]!;
  const before = shape.slice(0, axis);
  const after = shape.slice(axis + 1);
  const column = emit.reshape(x, [...before, n, 1, ...after]);
  const rows = emit.concat([column, emit.zeros([...before, n, step - 1, ...after])], axis + 1);
  return emit.slice(emit.reshape(rows, [...before, n * step, ...after]), axis, 0, (n - 1) * step + 1);
}

register(
  ['Slice'],
  ({ node, emit, outputs: [g] }) => {
    const shape = emit.shape(node.input[0]!);
    // All axes but one are filled up with zeros; the last one is left to be laid beside its neighbours.
    let value = g!;
    let last: PartialGradient | undefined;
    for (const { axis, start, end, step } of sliceBounds(node, constants(node, emit))!) {
      const n = Math.ceil((end - start) / step);
      if (n <= 0) return [undefined];
      if (step < 0) value = reversed(emit, value, axis);
      const first = step < 0 ? start + (n - 1) * step : start;
      const stride = Math.abs(step);
      if (stride > 1 && n > 1) value = spread(emit, value, axis, stride);
      const after = first + (n - 1) * stride + 1;
      if (first === 0 && after === shape[axis]) continue;
      if (last) {
        const { axis: at, start: before, end: behind } = last;
        value = filled(emit, value, at, before, shape[at]! - behind);
      }
      last = { value, axis, start: first, end: after };
    }
    return [last ? { ...last, value } : value];
  },
  ({ node, emit }) => {
    const inputs = constants(node, emit);
    const known = inputs.slice(1).every((input) => input === undefined || input.value !== undefined);
    return known && sliceBounds(node, inputs) ? undefined : 'its bounds are not constants';
  },
);

register(['Split'], ({ node, emit, outputs }) => {
  const rank = emit.shape(node.input[0]!).length;
  const axis = positive(intAttribute(node, 'axis', 0), rank);
  const parts = node.output.map((name, i) => outputs[i] ?? emit.zeros(emit.shape(name)));
  return [emit.concat(parts, axis)];
});

register(['Concat'], ({ node, emit, outputs: [g], needs }) => {
  const axis = positive(intAttribute(node, 'axis', 0), emit.shape(g!).length);
  let at = 0;
  return node.input.map((name, i) => {
    const size = emit.shape(name)[axis]!;
    at += size;
    return needs[i] ? emit.slice(g!, axis, at - size, at) : undefined;
  });
});

register(['Where'], ({ node, emit, outputs: [g], needs }) => {
  const [condition, a, b] = node.input as [string, string, string];
  const zero = emit.scalar(0);
  const shape = emit.shape(g!);
  return [
    undefined,
    needs[1] ? emit.sumTo(emit.op('Where', [condition, g!, zero], shape), emit.shape(a)) : undefined,
    needs[2] ? emit.sumTo(emit.op('Where', [condition, zero, g!], shape), emit.shape(b)) : undefined,
  ];
});

/** Indices as int64, which is what ScatterND takes. */
function wide(emit: Emitter, indices: string): string {
  const { graph } = emit;
  const type = graph.initializers.get(indices)?.dataType ?? graph.types.get(indices)?.type;
  if (type === DataType.INT64) return indices;
  return emit.op('Cast', [indices], emit.shape(indices), { to: BigInt(DataType.INT64) }, DataType.INT64);
}

// Repeated indices add up: ScatterND with addition onto zeros.
register(['Gather'], ({ node, emit, outputs: [g] }) => {
  const [x, indices] = node.input as [string, string];
  const shape = emit.shape(x);
  const axis = positive(intAttribute(node, 'axis', 0), shape.length);
  const at = emit.shape(indices);
  const gradientShape = emit.shape(g!);
  const rank = gradientShape.length;
  // Bring the gathered axes to the front, scatter rows, and bring them back.
  const gathered = at.map((_, i) => axis + i);
  const others = Array.from({ length: rank }, (_, i) => i).filter((i) => !gathered.includes(i));
  const front = axis === 0 ? g! : emit.transpose(g!, [...gathered, ...others]);
  const rest = shape.filter((_, i) => i !== axis);
  const shaped = emit.ints([...at, 1]);
  const column = emit.op('Reshape', [wide(emit, indices), shaped], [...at, 1], {}, DataType.INT64);
  const scattered = emit.op(
    'ScatterND',
    [emit.zeros([shape[axis]!, ...rest]), column, front],
    [shape[axis]!, ...rest],
    {
      reduction: 'add',
    },
  );
  if (axis === 0) return [scattered, undefined];
  const perm = shape.map((_, i) => (i < axis ? i + 1 : i === axis ? 0 : i));
  return [emit.transpose(scattered, perm), undefined];
});

// One row of indices a value; repeated ones add up.
register(
  ['GatherND'],
  ({ node, emit, outputs: [g] }) => {
    const [x, indices] = node.input as [string, string];
    const shape = emit.shape(x);
    return [emit.op('ScatterND', [emit.zeros(shape), indices, g!], shape, { reduction: 'add' }), undefined];
  },
  ({ node }) => (intAttribute(node, 'batch_dims', 0) === 0 ? undefined : 'it has batch dimensions'),
);

register(
  ['Pad'],
  ({ node, emit, outputs: [g] }) => {
    const shape = emit.shape(node.input[0]!);
    const pads = padsOf(node, emit)!;
    let value = g!;
    for (const [axis, { before, behind }] of pads.entries()) {
      const size = emit.shape(value)[axis]!;
      const from = Math.max(before, 0);
      const to = size - Math.max(behind, 0);
      if (from > 0 || to < size) value = emit.slice(value, axis, from, to);
      // What a negative padding cut off gets nothing.
      if (emit.shape(value)[axis] !== shape[axis])
        value = filled(emit, value, axis, Math.max(-before, 0), Math.max(-behind, 0));
    }
    return [value];
  },
  ({ node, emit }) => {
    const mode = stringAttribute(node, 'mode', 'constant');
    if (mode !== 'constant') return `it pads by ${mode}`;
    return padsOf(node, emit) ? undefined : 'its sizes are not constants';
  },
);

/** Padding of every axis, where it is constant. */
function padsOf(node: NodeProto, emit: Emitter): { before: number; behind: number }[] | undefined {
  const rank = emit.shape(node.input[0]!).length;
  const pads = emit.constantValues(node.input[1]!);
  const axes = node.input[3] ? emit.constantValues(node.input[3]) : Array.from({ length: rank }, (_, i) => i);
  if (!pads || !axes) return undefined;
  const all = Array.from({ length: rank }, () => ({ before: 0, behind: 0 }));
  axes.forEach((axis, i) => {
    all[positive(axis, rank)] = { before: pads[i]!, behind: pads[i + axes.length]! };
  });
  return all;
}
