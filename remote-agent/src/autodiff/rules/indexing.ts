import { ParaError } from '../../common/errors.ts';
import { intAttribute, intsAttribute } from '../../onnx/attributes.ts';
import type { PartialGradient } from '../registry.ts';
import { register } from '../registry.ts';

const positive = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);

register(['Slice'], ({ node, emit, outputs: [g] }) => {
  const shape = emit.shape(node.input[0]!);
  const list = (i: number, name: string) =>
    node.input[i] ? emit.constantValues(node.input[i]!) : intsAttribute(node, name);
  const starts = list(1, 'starts')!;
  const ends = list(2, 'ends')!;
  const axes = list(3, 'axes') ?? starts.map((_, i) => i);
  const steps = list(4, 'steps') ?? starts.map(() => 1);
  if (steps.some((s) => s !== 1))
    throw new ParaError('no-gradient', 'A Slice with a step has no gradient', { where: `node ${node.name}` });
  // All axes but one are filled up with zeros; the last one is left to be laid beside its neighbours.
  let value = g!;
  let last: PartialGradient | undefined;
  axes.forEach((raw, i) => {
    const axis = positive(raw, shape.length);
    const size = shape[axis]!;
    const start = Math.min(Math.max(starts[i]! < 0 ? starts[i]! + size : starts[i]!, 0), size);
    const end = Math.min(Math.max(ends[i]! < 0 ? ends[i]! + size : ends[i]!, 0), size);
    if (start === 0 && end === size) return;
    if (last) {
      const before = emit.shape(value);
      const fill = (n: number) =>
        n > 0 ? [emit.zeros(before.map((d, k) => (k === last!.axis ? n : d)))] : [];
      value = emit.concat([...fill(last.start), value, ...fill(shape[last.axis]! - last.end)], last.axis);
    }
    last = { value, axis, start, end };
  });
  return [last ? { ...last, value } : value];
});

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
  const column = emit.op('Reshape', [indices, emit.ints([...at, 1])], [...at, 1], {}, 7);
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

register(['Pad'], ({ node, emit, outputs: [g] }) => {
  const shape = emit.shape(node.input[0]!);
  const pads = emit.constantValues(node.input[1]!)!;
  return [
    shape.reduce(
      (v, d, axis) => (emit.shape(v)[axis] === d ? v : emit.slice(v, axis, pads[axis]!, pads[axis]! + d)),
      g!,
    ),
  ];
});
