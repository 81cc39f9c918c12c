import { intAttribute, intsAttribute, tensorAttribute } from './attributes.ts';
import type { Graph } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { broadcast, type Known, reducedAxes, sliceBounds } from './shapes.ts';
import { countOf, toNumbers } from './tensor-data.ts';
import { DataType } from './types.ts';

type Values = readonly number[];

const isInteger = (type: DataType) => type === DataType.INT64 || type === DataType.INT32;

const binary: Record<string, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Max: Math.max,
  Min: Math.min,
  Equal: (a, b) => Number(a === b),
  Less: (a, b) => Number(a < b),
  LessOrEqual: (a, b) => Number(a <= b),
  Greater: (a, b) => Number(a > b),
  GreaterOrEqual: (a, b) => Number(a >= b),
  And: (a, b) => Number(a !== 0 && b !== 0),
  Or: (a, b) => Number(a !== 0 || b !== 0),
};

const unary: Record<string, (a: number) => number> = {
  Sqrt: Math.sqrt,
  Neg: (a) => -a,
  Floor: Math.floor,
  Reciprocal: (a) => 1 / a,
  Not: (a) => Number(a === 0),
  Identity: (a) => a,
};

/** Index into a flat array of `shape` for position `flat` of the broadcast result `out`. */
function sourceIndex(flat: number, out: readonly number[], shape: readonly number[]): number {
  let index = 0;
  let stride = 1;
  let rest = flat;
  for (let i = out.length - 1; i >= 0; i--) {
    const at = rest % out[i]!;
    rest = Math.floor(rest / out[i]!);
    const d = shape[i - (out.length - shape.length)];
    if (d === undefined) continue;
    if (d !== 1) index += at * stride;
    stride *= d;
  }
  return index;
}

/** Elements of a result of shape `to`, each taken from the position that `from` tells. */
function moved(
  values: Values,
  shape: readonly number[],
  to: readonly number[],
  from: (at: readonly number[]) => readonly number[],
): number[] {
  return Array.from({ length: countOf(to) }, (_, flat) => {
    const at: number[] = [];
    let rest = flat;
    for (let i = to.length - 1; i >= 0; i--) {
      at.unshift(rest % to[i]!);
      rest = Math.floor(rest / to[i]!);
    }
    return values[from(at).reduce((index, k, i) => index * shape[i]! + k, 0)]!;
  });
}

/** Values as a type holds them; `undefined` where plain numbers cannot hold them exactly. */
function rounded(values: Values, type: DataType): number[] | undefined {
  if (type === DataType.FLOAT) return values.map(Math.fround);
  if (type === DataType.BOOL) return values.map((v) => Number(v !== 0));
  if (!isInteger(type)) return [...values];
  const whole = values.map((v) => Math.trunc(v) + 0);
  const limit = type === DataType.INT32 ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER;
  return whole.every((v) => Math.abs(v) <= limit) ? whole : undefined;
}

/**
 * Elements of a node's (single) output where all its inputs are small constants, the same to the last bit as the
 * runtime's; `undefined` where the operator is not one of those that exporters use to compute shapes and scales.
 */
export function evaluate(
  graph: Graph,
  node: NodeProto,
  inputs: readonly (Known | undefined)[],
  out: Known,
): number[] | undefined {
  if (out.value) return [...out.value];
  const values = inputs.map((i) => i?.value);
  if (inputs.some((i) => i !== undefined && i.value === undefined)) return undefined;
  const a = values[0];
  const count = countOf(out.shape);
  const positions = Array.from({ length: count }, (_, i) => i);
  const at = (k: number, i: number) => values[k]![sourceIndex(i, out.shape, inputs[k]!.shape)]!;
  switch (node.opType) {
    case 'Cast':
      return rounded(a!, out.type);
    case 'Reshape':
    case 'Squeeze':
    case 'Unsqueeze':
      return [...a!];
    case 'Expand':
      return positions.map((i) => at(0, i));
    case 'Where':
      return positions.map((i) => (at(0, i) !== 0 ? at(1, i) : at(2, i)));
    case 'ConstantOfShape': {
      const fill = tensorAttribute(node, 'value');
      const value = fill ? toNumbers(graph, fill)[0]! : 0;
      return positions.map(() => value);
    }
    case 'Range':
      // The runtime adds up reals step by step, with its own rounding.
      if (!isInteger(out.type)) return undefined;
      return positions.map((i) => a![0]! + i * values[2]![0]!);
    case 'Concat':
      return out.shape.length === 1 ? values.flatMap((v) => [...v!]) : undefined;
    case 'Gather': {
      if (intAttribute(node, 'axis', 0) !== 0 || inputs[0]!.shape.length !== 1) return undefined;
      const size = a!.length;
      return values[1]!.map((i) => a![i < 0 ? i + size : i]!);
    }
    case 'Slice': {
      const bounds = sliceBounds(node, inputs);
      if (!bounds) return undefined;
      const of = new Map(bounds.map((bound) => [bound.axis, bound]));
      return moved(a!, inputs[0]!.shape, out.shape, (at) =>
        at.map((k, axis) => (of.get(axis)?.start ?? 0) + k * (of.get(axis)?.step ?? 1)),
      );
    }
    case 'Transpose': {
      const perm = intsAttribute(node, 'perm') ?? out.shape.map((_, i) => i).reverse();
      return moved(a!, inputs[0]!.shape, out.shape, (at) => at.map((_, axis) => at[perm.indexOf(axis)]!));
    }
    case 'Mod':
      if (intAttribute(node, 'fmod', 0) === 1) return positions.map((i) => at(0, i) % at(1, i));
      return positions.map((i) => at(0, i) - at(1, i) * Math.floor(at(0, i) / at(1, i)));
    case 'ReduceSum':
    case 'ReduceMax':
      if (node.opType === 'ReduceSum' && !isInteger(out.type)) return undefined;
      if (reducedAxes(node, inputs[0]!.shape.length, inputs[1]?.value).length < inputs[0]!.shape.length)
        return undefined;
      return [node.opType === 'ReduceSum' ? a!.reduce((x, y) => x + y, 0) : Math.max(...a!)];
  }
  const two = binary[node.opType];
  if (two && inputs.length === 2) {
    const shape = broadcast(inputs[0]!.shape, inputs[1]!.shape);
    return rounded(
      Array.from({ length: countOf(shape) }, (_, i) => two(at(0, i), at(1, i))),
      out.type,
    );
  }
  const one = unary[node.opType];
  return one ? rounded(a!.map(one), out.type) : undefined;
}
