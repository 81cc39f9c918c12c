import { ParaError } from '../common/errors.ts';
import { intAttribute, intsAttribute, stringAttribute, tensorAttribute } from './attributes.ts';
import type { Graph } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { axesOf, axisOf, broadcast, type Known, reducedAxes, sliceBounds } from './shapes.ts';
import { countOf, dimsOf, toNumbers } from './tensor-data.ts';
import { DataType } from './types.ts';

/** Constants up to this many elements are followed through integer arithmetic on shapes. */
export const foldLimit = 4096;

export type ShapeRule = (
  node: NodeProto,
  inputs: readonly Known[],
  graph: Graph,
) => Known[] | Known | undefined;

const elementwise: ShapeRule = (_n, [a, b]) => ({ type: a!.type, shape: broadcast(a!.shape, b!.shape) });
const comparison: ShapeRule = (_n, [a, b]) => ({ type: DataType.BOOL, shape: broadcast(a!.shape, b!.shape) });
const same: ShapeRule = (_n, [a]) => ({ type: a!.type, shape: a!.shape });

const reduce: ShapeRule = (node, [a, axesInput]) => {
  if (axesInput && !axesInput.value) return undefined;
  const axes = new Set(reducedAxes(node, a!.shape.length, axesInput?.value));
  const keep = intAttribute(node, 'keepdims', 1) === 1;
  const shape = a!.shape.flatMap((d, i) => (axes.has(i) ? (keep ? [1] : []) : [d]));
  return { type: a!.type, shape };
};

const position: ShapeRule = (node, [a]) => {
  const axis = axisOf(intAttribute(node, 'axis', 0), a!.shape.length);
  const keep = intAttribute(node, 'keepdims', 1) === 1;
  return { type: DataType.INT64, shape: a!.shape.flatMap((d, i) => (i === axis ? (keep ? [1] : []) : [d])) };
};

/** Spatial size after a convolution or pooling window. */
function windowed(node: NodeProto, size: readonly number[], kernel: readonly number[]): number[] {
  const n = size.length;
  const strides = intsAttribute(node, 'strides') ?? new Array(n).fill(1);
  const dilations = intsAttribute(node, 'dilations') ?? new Array(n).fill(1);
  const pads = intsAttribute(node, 'pads') ?? new Array(2 * n).fill(0);
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET');
  return size.map((s, i) => {
    if (auto.startsWith('SAME')) return Math.ceil(s / strides[i]!);
    return Math.floor((s + pads[i]! + pads[i + n]! - dilations[i]! * (kernel[i]! - 1) - 1) / strides[i]!) + 1;
  });
}

const reshape: ShapeRule = (node, [a, target]) => {
  if (!target?.value) return undefined;
  const allowZero = intAttribute(node, 'allowzero', 0) === 1;
  const shape = target.value.map((d, i) => (d === 0 && !allowZero ? a!.shape[i]! : d));
  const hole = shape.indexOf(-1);
  if (hole >= 0) shape[hole] = countOf(a!.shape) / -countOf(shape);
  return { type: a!.type, shape };
};

const matmul: ShapeRule = (node, [a, b]) => {
  const transposeA = intAttribute(node, 'transA', 0) === 1;
  const transposeB = intAttribute(node, 'transB', 0) === 1;
  const x = [...a!.shape];
  const y = [...b!.shape];
  if (transposeA) x.push(...x.splice(-2).reverse());
  if (transposeB) y.push(...y.splice(-2).reverse());
  if (y.length === 1) return { type: a!.type, shape: x.slice(0, -1) };
  if (x.length === 1) return { type: a!.type, shape: [...y.slice(0, -2), y.at(-1)!] };
  return { type: a!.type, shape: [...broadcast(x.slice(0, -2), y.slice(0, -2)), x.at(-2)!, y.at(-1)!] };
};

/** Dimensions by letter; without an ellipsis. */
const einsum: ShapeRule = (node, inputs) => {
  const equation = stringAttribute(node, 'equation', '').replaceAll(' ', '');
  const [left, right] = equation.split('->') as [string, string | undefined];
  if (equation.includes('.')) return undefined;
  const sizes = new Map<string, number>();
  for (const [i, term] of left.split(',').entries())
    for (const [k, letter] of [...term].entries())
      sizes.set(letter, Math.max(sizes.get(letter) ?? 1, inputs[i]!.shape[k]!));
  // Without an arrow: the letters that occur once, in order of the alphabet.
  const letters = left.replaceAll(',', '');
  const implied = [...letters].filter((c) => letters.indexOf(c) === letters.lastIndexOf(c)).sort();
  return { type: inputs[0]!.type, shape: [...(right ?? implied)].map((c) => sizes.get(c)!) };
};

const normWithStatistics: ShapeRule = (node, [a]) => {
  const axis = axisOf(intAttribute(node, 'axis', -1), a!.shape.length);
  const statistics = { type: DataType.FLOAT, shape: a!.shape.map((d, i) => (i < axis ? d : 1)) };
  return [{ type: a!.type, shape: a!.shape }, statistics, statistics];
};

/** Shape rules by operator; an operator without one leaves its outputs unknown. */
export const shapeRules: Record<string, ShapeRule> = {
  Add: elementwise,
  Sub: elementwise,
  Mul: elementwise,
  Div: elementwise,
  Pow: elementwise,
  Mod: elementwise,
  Max: elementwise,
  Min: elementwise,
  And: comparison,
  Or: comparison,
  Equal: comparison,
  Less: comparison,
  Greater: comparison,
  LessOrEqual: comparison,
  GreaterOrEqual: comparison,
  Sqrt: same,
  Sigmoid: same,
  Erf: same,
  Exp: same,
  Log: same,
  Tanh: same,
  Neg: same,
  Reciprocal: same,
  Abs: same,
  Gelu: same,
  Softmax: same,
  Sin: same,
  Cos: same,
  Identity: same,
  Relu: same,
  Dropout: same,
  InstanceNormalization: same,
  GroupNormalization: same,
  Floor: same,
  Clip: same,
  Trilu: same,
  SimplifiedLayerNormalization: same,
  Sign: same,
  LayerNormalization: normWithStatistics,
  Not: same,
  IsNaN: (_n, [a]) => ({ type: DataType.BOOL, shape: a!.shape }),
  ArgMax: position,
  ArgMin: position,
  ReduceMean: reduce,
  ReduceSum: reduce,
  ReduceMax: reduce,
  ReduceMin: reduce,
  ReduceSumSquare: reduce,
  ReduceL2: reduce,
  MatMul: matmul,
  Gemm: matmul,
  Reshape: reshape,
  Sum: (_n, inputs) => ({ type: inputs[0]!.type, shape: inputs.map((i) => i.shape).reduce(broadcast) }),
  Where: (_n, [c, a, b]) => ({ type: a!.type, shape: broadcast(c!.shape, broadcast(a!.shape, b!.shape)) }),
  Cast: (node, [a]) => ({ type: intAttribute(node, 'to', 1), shape: a!.shape }),
  Shape: (node, [a]) => {
    const rank = a!.shape.length;
    const start = axisOf(intAttribute(node, 'start', 0), rank);
    const value = a!.shape.slice(start, axisOf(intAttribute(node, 'end', rank), rank));
    return { type: DataType.INT64, shape: [value.length], value };
  },
  Transpose: (node, [a]) => {
    const perm = intsAttribute(node, 'perm') ?? a!.shape.map((_, i) => i).reverse();
    return { type: a!.type, shape: perm.map((p) => a!.shape[p]!) };
  },
  Flatten: (node, [a]) => {
    const axis = axisOf(intAttribute(node, 'axis', 1), a!.shape.length);
    return { type: a!.type, shape: [countOf(a!.shape.slice(0, axis)), countOf(a!.shape.slice(axis))] };
  },
  Unsqueeze: (node, [a, axesInput]) => {
    const axes = axesOf(node, axesInput);
    if (!axes) return undefined;
    const rank = a!.shape.length + axes.length;
    const at = new Set(axes.map((x) => axisOf(x, rank)));
    const rest = [...a!.shape];
    return { type: a!.type, shape: Array.from({ length: rank }, (_, i) => (at.has(i) ? 1 : rest.shift()!)) };
  },
  Squeeze: (node, [a, axesInput]) => {
    const axes = axesOf(node, axesInput)?.map((x) => axisOf(x, a!.shape.length));
    return { type: a!.type, shape: a!.shape.filter((d, i) => (axes ? !axes.includes(i) : d !== 1)) };
  },
  Concat: (node, inputs) => {
    const axis = axisOf(intAttribute(node, 'axis', 0), inputs[0]!.shape.length);
    const shape = [...inputs[0]!.shape];
    shape[axis] = inputs.reduce((sum, i) => sum + i.shape[axis]!, 0);
    return { type: inputs[0]!.type, shape };
  },
  Split: (node, [a, sizes]) => {
    const axis = axisOf(intAttribute(node, 'axis', 0), a!.shape.length);
    const n = node.output.length;
    const even = Math.ceil(a!.shape[axis]! / n);
    const parts =
      intsAttribute(node, 'split') ??
      sizes?.value ??
      node.output.map((_, i) => Math.min(even, a!.shape[axis]! - i * even));
    return parts.map((p) => ({ type: a!.type, shape: a!.shape.map((d, i) => (i === axis ? p : d)) }));
  },
  Slice: (node, inputs) => {
    const bounds = sliceBounds(node, inputs);
    if (!bounds) return undefined;
    const shape = [...inputs[0]!.shape];
    for (const { axis, start, end, step } of bounds)
      shape[axis] = Math.max(0, Math.ceil((end - start) / step));
    return { type: inputs[0]!.type, shape };
  },
  Gather: (node, [a, indices]) => {
    const axis = axisOf(intAttribute(node, 'axis', 0), a!.shape.length);
    return {
      type: a!.type,
      shape: [...a!.shape.slice(0, axis), ...indices!.shape, ...a!.shape.slice(axis + 1)],
    };
  },
  Expand: (_n, [a, target]) =>
    target!.value ? { type: a!.type, shape: broadcast(a!.shape, target!.value) } : undefined,
  ConstantOfShape: (node, [a]) => {
    const fill = tensorAttribute(node, 'value');
    return a!.value ? { type: fill?.dataType ?? DataType.FLOAT, shape: a!.value } : undefined;
  },
  Range: (_n, [start, limit, delta]) => {
    if (!start!.value || !limit!.value || !delta!.value) return undefined;
    const n = Math.max(0, Math.ceil((limit!.value[0]! - start!.value[0]!) / delta!.value[0]!));
    return { type: start!.type, shape: [n] };
  },
  Conv: (node, [a, w]) => ({
    type: a!.type,
    shape: [a!.shape[0]!, w!.shape[0]!, ...windowed(node, a!.shape.slice(2), w!.shape.slice(2))],
  }),
  GatherND: (node, [a, indices]) => {
    const batch = intAttribute(node, 'batch_dims', 0);
    const rest = a!.shape.slice(batch + indices!.shape.at(-1)!);
    return { type: a!.type, shape: [...indices!.shape.slice(0, -1), ...rest] };
  },
  Einsum: einsum,
  Resize: (node, [a, , scales, sizes]) => {
    const { shape } = a!;
    const given = (sizes?.value?.length ? sizes : scales)?.value;
    const policy = stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch');
    if (!given?.length || policy !== 'stretch') return undefined;
    const axes = intsAttribute(node, 'axes')?.map((x) => axisOf(x, shape.length)) ?? shape.map((_, i) => i);
    const resized = (d: number, value: number | undefined) =>
      sizes?.value?.length ? (value ?? d) : Math.floor(d * (value ?? 1));
    return { type: a!.type, shape: shape.map((d, i) => resized(d, given[axes.indexOf(i)])) };
  },
  Pad: (_n, [a, pads, , axesInput]) => {
    if (!pads?.value || (axesInput && !axesInput.value)) return undefined;
    const shape = [...a!.shape];
    const axes = axesInput?.value ?? shape.map((_, i) => i);
    for (const [i, axis] of axes.entries()) {
      const at = axisOf(axis, shape.length);
      shape[at] = shape[at]! + pads.value[i]! + pads.value[i + axes.length]!;
    }
    return { type: a!.type, shape };
  },
  Attention: (_n, [q, , v]) =>
    q!.shape.length === 4 ? { type: q!.type, shape: [...q!.shape.slice(0, 3), v!.shape[3]!] } : undefined,
  Constant: (node, _i, graph) => {
    const tensor = tensorAttribute(node, 'value');
    if (!tensor) return undefined;
    const shape = dimsOf(tensor);
    const type = tensor.dataType as DataType;
    return countOf(shape) <= foldLimit ? { type, shape, value: toNumbers(graph, tensor) } : { type, shape };
  },
};

/** Shape rules of fused operators (com.microsoft); the others are only named in errors. */
const fusedShapeRules: Record<string, ShapeRule> = {
  Gelu: same,
  FastGelu: same,
  QuickGelu: same,
  FusedMatMul: matmul,
  MultiHeadAttention: (_n, [q, _k, v]) =>
    q?.shape.length === 3 && v?.shape.length === 3
      ? { type: q.type, shape: [q.shape[0]!, q.shape[1]!, v.shape[2]!] }
      : undefined,
};

/** Whether an operator is ONNX's own, not one that an optimiser of a runtime made. */
export const isOwn = (node: NodeProto): boolean => node.domain === '' || node.domain === 'ai.onnx';

const ruleOf = (node: NodeProto): ShapeRule | undefined =>
  isOwn(node)
    ? shapeRules[node.opType]
    : node.domain === 'com.microsoft'
      ? fusedShapeRules[node.opType]
      : undefined;

/** What is known of the initializers and, with static dimensions, of the inputs. */
export function knownAtStart(graph: Graph): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const tensor of graph.initializers.values()) {
    const shape = dimsOf(tensor);
    const type = tensor.dataType as DataType;
    // Only what shape arithmetic can use: integers and lone numbers.
    const small = countOf(shape) <= (type === DataType.INT64 || type === DataType.INT32 ? foldLimit : 8);
    known.set(tensor.name, small ? { type, shape, value: toNumbers(graph, tensor) } : { type, shape });
  }
  for (const input of graph.inputs) {
    if (known.has(input.name) || input.type?.value.case !== 'tensorType') continue;
    const { elemType, shape } = input.type.value.value;
    const dims = shape?.dim.map((d) => (d.value.case === 'dimValue' ? Number(d.value.value) : -1));
    if (dims && !dims.includes(-1)) known.set(input.name, { type: elemType, shape: dims });
  }
  return known;
}

/** Types of a node's outputs from its inputs; `undefined` when something needed is not known. */
export function inferNode(
  graph: Graph,
  node: NodeProto,
  known: ReadonlyMap<string, Known>,
): Known[] | undefined {
  const rule = ruleOf(node);
  if (!rule) return undefined;
  const inputs = node.input.map((name) => (name ? known.get(name) : undefined));
  if (node.input.some((name, i) => name !== '' && inputs[i] === undefined)) return undefined;
  let found: ReturnType<ShapeRule>;
  try {
    found = rule(node, inputs as Known[], graph);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    // Rules read the inputs that their operator must have; damaged files leave them out.
    throw new ParaError('graph', `Operator ${node.opType} lacks an input or attribute that it must have`, {
      where: `node ${node.name || node.output[0]}`,
      hint: 'the model file is damaged; copy or export it again',
      cause,
    });
  }
  if (!found) return undefined;
  const outputs: Known[] = Array.isArray(found) ? found : [found as Known];
  for (const { shape } of outputs)
    if (!shape.every((d) => Number.isSafeInteger(d) && d >= 0))
      throw new ParaError('graph', `Operator ${node.opType} would have the impossible shape [${shape}]`, {
        where: `node ${node.name || node.output[0]}`,
        hint: 'the model file is damaged; copy or export it again',
      });
  return outputs;
}

/**
 * Says which node stayed unknown and why; where its operator is not supported at all, every such operator of the
 * graph with its number of nodes.
 * @throws ParaError `graph` always
 */
export function failUnknown(node: NodeProto, graph: Graph): never {
  const where = `node ${node.name || node.output[0]}`;
  if (ruleOf(node))
    throw new ParaError('graph', `The sizes of operator ${node.opType} cannot be told`, {
      where,
      hint: 'export the model again with a current exporter',
    });
  const unknown = graph.nodes.filter((n) => !isOwn(n) || !ruleOf(n));
  const counts = new Map<string, number>();
  for (const n of unknown) {
    const operator = isOwn(n) ? n.opType : `${n.domain}.${n.opType}`;
    counts.set(operator, (counts.get(operator) ?? 0) + 1);
  }
  const listed = [...counts]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .map(([o, n]) => `${o} x ${n}`);
  throw new ParaError('graph', `Operators that are not supported: ${listed.join(', ')}`, {
    where: `${where}${unknown.length > 1 ? ' is the first' : ''}`,
    hint: 'export the model without fusion or optimisation (plain ONNX operators)',
  });
}
