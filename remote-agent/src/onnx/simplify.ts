import { ParaError } from '../common/errors.ts';
import { intAttribute } from './attributes.ts';
import { evaluate } from './fold.ts';
import type { Graph } from './graph.ts';
import { failUnknown, foldLimit, inferNode, knownAtStart } from './infer-types.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { prune } from './prune.ts';
import type { Known } from './shapes.ts';
import { countOf } from './tensor-data.ts';
import { DataType, floatTensor, int64Tensor, rawTensor, valueInfo } from './types.ts';

/**
 * Fixes the shapes of graph inputs by name and forgets shapes that the file tells of inner values.
 * @throws ParaError `graph` for an input that the graph does not have
 */
export function fixDimensions(graph: Graph, shapes: Readonly<Record<string, readonly number[]>>): void {
  for (const [name, shape] of Object.entries(shapes)) {
    const at = graph.inputs.findIndex((input) => input.name === name);
    if (at < 0)
      throw new ParaError('graph', `The model has no input "${name}"`, {
        where: `inputs: ${graph.inputs.map((i) => i.name).join(', ')}`,
        hint: 'check that this file is the part of the model that its folder says',
      });
    const type = graph.inputs[at]!.type?.value;
    const elemType = type?.case === 'tensorType' ? type.value.elemType : DataType.FLOAT;
    graph.proto.input[at] = valueInfo(name, elemType, shape);
  }
  graph.proto.valueInfo = [];
}

const allEqual = (known: Known | undefined, wanted: number) =>
  known?.value !== undefined && known.value.length > 0 && known.value.every((v) => v === wanted);

const sameShape = (a: Known | undefined, b: Known) => a !== undefined && a.shape.join() === b.shape.join();

/** The input that a node merely passes on, or `undefined`. */
function passedOn(node: NodeProto, inputs: readonly (Known | undefined)[], out: Known): string | undefined {
  const [a, b] = inputs;
  const keepsFirst = sameShape(a, out) && a!.type === out.type;
  switch (node.opType) {
    case 'Identity':
    case 'Dropout':
      return node.input[0];
    case 'Cast':
    case 'Expand':
    case 'Reshape':
    case 'Squeeze':
    case 'Unsqueeze':
    case 'Slice':
      return keepsFirst ? node.input[0] : undefined;
    case 'Transpose':
      return undefined;
    case 'Concat':
      return node.input.length === 1 ? node.input[0] : undefined;
    case 'Mul':
      if (keepsFirst && allEqual(b, 1)) return node.input[0];
      return sameShape(b, out) && allEqual(a, 1) ? node.input[1] : undefined;
    case 'Div':
      return keepsFirst && allEqual(b, 1) ? node.input[0] : undefined;
    case 'Add':
      if (keepsFirst && allEqual(b, 0)) return node.input[0];
      return sameShape(b, out) && allEqual(a, 0) ? node.input[1] : undefined;
  }
  return undefined;
}

/** 2^63 stands for the largest int64 ("to the end"), which `int64Tensor` writes for it. */
const isExact = (v: number) => Number.isSafeInteger(v) || v === 2 ** 63;

/** The constant as a tensor; `undefined` where plain numbers do not hold it to the last bit. */
function constantTensor(name: string, known: Known) {
  if (known.type === DataType.INT64)
    return known.value!.every(isExact) ? int64Tensor(name, known.shape, known.value!) : undefined;
  if (known.type === DataType.FLOAT) return floatTensor(name, known.shape, known.value!);
  if (known.type === DataType.INT32)
    return rawTensor(name, known.type, known.shape, new Uint8Array(Int32Array.from(known.value!).buffer));
  if (known.type === DataType.BOOL)
    return rawTensor(name, known.type, known.shape, Uint8Array.from(known.value!));
  return undefined;
}

/**
 * With fixed input dimensions (see `fixDimensions`): tells the type and shape of every value (into `graph.types`),
 * computes what only depends on shapes, and removes operators that change nothing. Names of the nodes that stay are
 * kept.
 * @throws ParaError `graph` naming the node where an operator or its sizes are not understood
 */
export function simplify(graph: Graph): void {
  const known = knownAtStart(graph);
  const alias = new Map<string, string>();
  const outputs = new Set(graph.outputs.map((o) => o.name));
  const kept: NodeProto[] = [];
  for (const node of graph.nodes) {
    for (let i = 0; i < node.input.length; i++) node.input[i] = alias.get(node.input[i]!) ?? node.input[i]!;
    if (node.opType === 'Constant' && node.attribute[0]?.t && !outputs.has(node.output[0]!)) {
      const tensor = node.attribute[0].t;
      tensor.name = node.output[0]!;
      graph.setInitializer(tensor);
      known.set(tensor.name, (inferNode(graph, node, known) ?? failUnknown(node, graph))[0]!);
      continue;
    }
    const types = inferNode(graph, node, known);
    if (!types) failUnknown(node, graph);
    const inputs = node.input.map((name) => (name ? known.get(name) : undefined));
    const [first] = types as [Known];
    const isOutput = outputs.has(node.output[0]!);
    if (types.length === 1 && !isOutput) {
      const value = countOf(first.shape) <= foldLimit ? evaluate(graph, node, inputs, first) : undefined;
      const constant = value && { ...first, value };
      const tensor = constant && constantTensor(node.output[0]!, constant);
      if (tensor) {
        known.set(node.output[0]!, constant);
        graph.setInitializer(tensor);
        continue;
      }
      const from = passedOn(node, inputs, first);
      if (from) {
        alias.set(node.output[0]!, from);
        continue;
      }
    }
    node.output.forEach((name, i) => {
      if (name && types[i]) known.set(name, types[i]);
    });
    kept.push(node);
  }
  graph.replaceNodes(mergeEqual(kept, outputs));
  graph.types.clear();
  for (const [name, { type, shape }] of known) graph.types.set(name, { type, shape });
  prune(graph);
}

const cheapToMerge = new Set([
  'Cast',
  'Transpose',
  'Reshape',
  'Unsqueeze',
  'Sigmoid',
  'Slice',
  'Mul',
  'Gemm',
  'Add',
]);

/** Drops nodes that compute what an earlier node computed already (same operator, inputs and attributes). */
function mergeEqual(nodes: readonly NodeProto[], outputs: ReadonlySet<string>): NodeProto[] {
  const seen = new Map<string, string>();
  const alias = new Map<string, string>();
  return nodes.filter((node) => {
    for (let i = 0; i < node.input.length; i++) node.input[i] = alias.get(node.input[i]!) ?? node.input[i]!;
    if (!cheapToMerge.has(node.opType) || node.output.length !== 1 || outputs.has(node.output[0]!))
      return true;
    // Projections carry names that adapters are attached by: never merged.
    if (node.opType === 'Gemm') return true;
    const attributes = node.attribute.map((a) => `${a.name}=${a.i}:${a.f}:${a.ints}`).sort();
    const key = [node.domain, node.opType, intAttribute(node, 'axis', 0), ...attributes, ...node.input].join(
      '|',
    );
    const before = seen.get(key);
    if (before === undefined) {
      seen.set(key, node.output[0]!);
      return true;
    }
    alias.set(node.output[0]!, before);
    return false;
  });
}
