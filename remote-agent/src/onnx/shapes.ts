import { intAttribute, intsAttribute } from './attributes.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import type { DataType } from './types.ts';

/** What is known of a value: element type, static shape and, for small constants, its elements. */
export interface Known {
  readonly type: DataType;
  readonly shape: readonly number[];
  readonly value?: readonly number[];
}

/** Shape of two shapes broadcast against each other (numpy rules). */
export function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    return x === 1 ? y : x;
  });
}

/** An axis counted from the front. */
export const axisOf = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);

/** Axes of a node given as attribute (older opsets) or as an input. */
export function axesOf(node: NodeProto, input: Known | undefined): readonly number[] | undefined {
  return intsAttribute(node, 'axes') ?? input?.value;
}

/**
 * Axes that a Reduce* operator reduces, from its attribute or the value of its input: all of them where none are
 * given, unless `noop_with_empty_axes` says none.
 */
export function reducedAxes(node: NodeProto, rank: number, input?: readonly number[]): number[] {
  const axes = intsAttribute(node, 'axes') ?? input ?? [];
  if (axes.length > 0) return axes.map((x) => axisOf(x, rank));
  if (intAttribute(node, 'noop_with_empty_axes', 0) === 1) return [];
  return Array.from({ length: rank }, (_, i) => i);
}

/** Start, end, axis and step of each sliced axis, clamped as the operator does. */
export function sliceBounds(
  node: NodeProto,
  inputs: readonly (Known | undefined)[],
): { axis: number; start: number; end: number; step: number }[] | undefined {
  const shape = inputs[0]!.shape;
  const starts = inputs[1] ? inputs[1].value : intsAttribute(node, 'starts');
  const ends = inputs[2] ? inputs[2].value : intsAttribute(node, 'ends');
  if (!starts || !ends) return undefined;
  const axes = (inputs[1] ? inputs[3]?.value : intsAttribute(node, 'axes')) ?? starts.map((_, i) => i);
  const steps = inputs[4]?.value ?? starts.map(() => 1);
  return starts.map((s, i) => {
    const axis = axisOf(axes[i]!, shape.length);
    const size = shape[axis]!;
    const step = steps[i]!;
    const clamp = (v: number, low: number, high: number) =>
      Math.min(Math.max(v < 0 ? v + size : v, low), high);
    return step > 0
      ? { axis, step, start: clamp(s, 0, size), end: clamp(ends[i]!, 0, size) }
      : {
          axis,
          step,
          start: clamp(s, 0, size - 1),
          end: ends[i]! < -size ? -1 : clamp(ends[i]!, -1, size - 1),
        };
  });
}
