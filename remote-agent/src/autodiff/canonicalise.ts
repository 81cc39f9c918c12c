import { fuseAttention } from '../onnx/fuse-attention.ts';
import type { Graph } from '../onnx/graph.ts';
import type { NodeProto } from '../onnx/proto/onnx_pb.ts';
import { prune } from '../onnx/prune.ts';
import { countOf, dimsOf, toNumbers } from '../onnx/tensor-data.ts';
import { DataType, floatTensor } from '../onnx/types.ts';
import { Emitter } from './emitter.ts';
import { asRows } from './rows.ts';

/**
 * Rewrites forward patterns of exporters into equal ones whose gradients need fewer operators: an instance
 * normalisation without scale and bias (how exporters write group normalisation) becomes a layer normalisation,
 * which tells its mean and deviation; the error-function form of GELU becomes one Gelu operator; attention becomes one
 * operator too (see `fuseAttention`), and where it cannot and queries and keys are scaled by half each, queries alone are;
 * layers work on rows (see `asRows`). Of the operator set of `liftOpset`.
 */
export function canonicalise(graph: Graph): void {
  const emit = new Emitter(graph);
  const producers = graph.producers();
  const readers = graph.consumers();
  const only = (name: string) => {
    const list = readers.get(name);
    return list?.length === 1 ? list[0] : undefined;
  };
  const replaced = new Map<NodeProto, NodeProto>();
  const ones = new Map<number, string>();
  for (const node of graph.nodes) {
    if (node.opType === 'InstanceNormalization') {
      const found = asLayerNorm(graph, emit, node, ones);
      if (found) replaced.set(node, found);
    } else if (node.opType === 'Erf') {
      const found = asGelu(graph, emit, node, producers, only);
      if (found) replaced.set(found.at, found.gelu);
    }
  }
  graph.replaceNodes(graph.nodes.map((node) => replaced.get(node) ?? node));
  fuseAttention(graph);
  for (const node of graph.nodes) if (node.opType === 'MatMul') joinScales(graph, node, producers, only);
  prune(graph);
  asRows(graph);
  prune(graph);
}

/** (a s) (b t) as (a (s t)) b, for lone constants s and t. */
function joinScales(
  graph: Graph,
  product: NodeProto,
  producers: ReadonlyMap<string, NodeProto>,
  only: (name: string) => NodeProto | undefined,
): void {
  const scaled = product.input.map((name) => {
    const made = producers.get(name);
    const at = made?.opType === 'Mul' && only(name) ? made.input.findIndex((i) => loneValue(graph, i)) : -1;
    return at < 0 ? undefined : { made: made!, at, scale: loneValue(graph, made!.input[at]!)! };
  });
  const [a, b] = scaled;
  if (!a || !b || a.made === b.made) return;
  const tensor = graph.initializers.get(a.made.input[a.at]!)!;
  const both = floatTensor(graph.uniqueName(`${tensor.name}.joined`), dimsOf(tensor), [a.scale * b.scale]);
  graph.types.set(both.name, { type: DataType.FLOAT, shape: dimsOf(tensor) });
  a.made.input[a.at] = graph.setInitializer(both);
  product.input[1] = b.made.input[1 - b.at]!;
}

/** The value of a lone f32 constant, if it is one. */
function loneValue(graph: Graph, name: string): number | undefined {
  const tensor = graph.initializers.get(name);
  if (tensor?.dataType !== DataType.FLOAT || countOf(dimsOf(tensor)) !== 1) return undefined;
  return toNumbers(graph, tensor)[0];
}

function asLayerNorm(
  graph: Graph,
  emit: Emitter,
  node: NodeProto,
  ones: Map<number, string>,
): NodeProto | undefined {
  const [x, scale, bias] = node.input as [string, string, string];
  const shape = emit.shape(x);
  const constant = (name: string, value: number) => {
    const tensor = graph.initializers.get(name);
    return tensor !== undefined && toNumbers(graph, tensor).every((v) => v === value);
  };
  if (shape.length !== 3 || !constant(scale, 1) || !constant(bias, 0)) return undefined;
  const length = shape[2]!;
  let one = ones.get(length);
  if (one === undefined) {
    one = graph.setInitializer(
      floatTensor(graph.uniqueName(`ones.${length}`), [length], new Float32Array(length).fill(1)),
    );
    graph.types.set(one, { type: DataType.FLOAT, shape: [length] });
    ones.set(length, one);
  }
  const epsilon = node.attribute.find((a) => a.name === 'epsilon')?.f ?? 1e-5;
  return graph.makeNode('LayerNormalization', [x, one], {
    outputs: [node.output[0]!],
    hint: node.name || 'norm',
    attributes: { axis: -1n, epsilon },
  });
}

/** x / sqrt(2) -> Erf -> + 1 -> * x -> * 0.5 as Gelu(x) (opset 20). */
function asGelu(
  graph: Graph,
  emit: Emitter,
  erf: NodeProto,
  producers: ReadonlyMap<string, NodeProto>,
  only: (name: string) => NodeProto | undefined,
): { at: NodeProto; gelu: NodeProto } | undefined {
  const scaled = producers.get(erf.input[0]!);
  const lone = (name: string, value: number) => {
    const tensor = graph.initializers.get(name);
    return tensor && dimsOf(tensor).length <= 1 && Math.abs(toNumbers(graph, tensor)[0]! - value) < 1e-6;
  };
  const divides = scaled?.opType === 'Div' && lone(scaled.input[1]!, Math.SQRT2);
  const multiplies = scaled?.opType === 'Mul' && lone(scaled.input[1]!, Math.SQRT1_2);
  if (!scaled || !(divides || multiplies)) return undefined;
  const x = scaled.input[0]!;
  const plus = only(erf.output[0]!);
  if (plus?.opType !== 'Add' || !plus.input.some((name) => lone(name, 1))) return undefined;
  const times = only(plus.output[0]!);
  if (times?.opType !== 'Mul') return undefined;
  const other = times.input.find((name) => name !== plus.output[0]);
  const halved = other === undefined ? undefined : producers.get(other);
  let at: NodeProto | undefined;
  if (other === x) {
    const half = only(times.output[0]!);
    at = half?.opType === 'Mul' && half.input.some((name) => lone(name, 0.5)) ? half : undefined;
  } else if (
    halved?.opType === 'Mul' &&
    halved.input.includes(x) &&
    halved.input.some((name) => lone(name, 0.5))
  )
    at = times;
  if (!at || emit.graph.types.get(x)?.type !== DataType.FLOAT) return undefined;
  return { at, gelu: graph.makeNode('Gelu', [x], { outputs: [at.output[0]!], hint: at.name || 'gelu' }) };
}
