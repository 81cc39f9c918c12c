import { ParaError } from '../common/errors.ts';
import { attribute, intAttribute, intsAttribute, stringAttribute } from './attributes.ts';
import type { Graph } from './graph.ts';
import { newestOpset } from './io.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { dimsOf } from './tensor-data.ts';
import { DataType, int64Tensor } from './types.ts';

/**
 * Operator set whose forms the gradient rules write: every older file is brought to it. From 22 on, the runtime's CUDA
 * provider lacks kernels that a step needs (ConvTranspose, InstanceNormalization).
 */
export const targetOpset = 21;

/** Oldest operator set that is lifted; older ones differ in forms that no exporter writes any more. */
export const oldestOpset = 13;

/** Oldest IR version that goes with the target (ONNX, "Versioning"). */
const targetIr = 10n;

type Lift = (graph: Graph, node: NodeProto, from: number) => NodeProto[];

const drop = (node: NodeProto, name: string) => {
  node.attribute = node.attribute.filter((a) => a.name !== name);
};

/** A new int64 initializer. */
function listOf(graph: Graph, values: readonly number[], hint: string): string {
  const name = graph.setInitializer(int64Tensor(graph.uniqueName(hint), [values.length], values));
  graph.types.set(name, { type: DataType.INT64, shape: [values.length] });
  return name;
}

/** Opset 18: axes became an input. ReduceSum has had it since 13. */
const reduce: Lift = (graph, node, from) => {
  const axes = intsAttribute(node, 'axes');
  if (from >= 18 || !axes) return [node];
  drop(node, 'axes');
  // An empty list meant "all axes", which the newer form says by leaving it out.
  if (axes.length > 0) node.input[1] = listOf(graph, axes, `${node.name || node.output[0]}.axes`);
  return [node];
};

/** Opset 18: an even split says into how many parts. */
const split: Lift = (_graph, node, from) => {
  if (from < 18 && !node.input[1] && !node.attribute.some((a) => a.name === 'num_outputs'))
    node.attribute.push(attribute('num_outputs', BigInt(node.output.length)));
  return [node];
};

/** Opset 21: scale and bias per channel instead of per group. */
const groupNormalization: Lift = (graph, node, from) => {
  if (from >= 21) return [node];
  const groups = intAttribute(node, 'num_groups', 0);
  const channels = shapeOf(graph, node.input[0]!)?.[1];
  if (channels === undefined || groups <= 0 || channels % groups !== 0)
    return fail(node, 'its number of channels is not known', 'fix the dimensions of all inputs first');
  const made: NodeProto[] = [];
  const hint = node.name || node.output[0]!;
  const step = (
    op: string,
    source: string,
    shape: readonly number[],
    dims: readonly number[],
    type: number,
  ) => {
    const next = graph.makeNode(op, [source, listOf(graph, shape, `${hint}.shape`)], { hint });
    graph.types.set(next.output[0]!, { type, shape: dims });
    made.push(next);
    return next.output[0]!;
  };
  const each = channels / groups;
  for (const i of [1, 2]) {
    const name = node.input[i]!;
    const type = typeOf(graph, name);
    const column = step('Reshape', name, [groups, 1], [groups, 1], type);
    const spread = step('Expand', column, [groups, each], [groups, each], type);
    node.input[i] = step('Reshape', spread, [channels], [channels], type);
  }
  return [...made, node];
};

/** Opset 20 calls the same modes `linear` and `cubic`. */
const gridSample: Lift = (_graph, node, from) => {
  const mode = stringAttribute(node, 'mode', 'bilinear');
  if (from < 20) {
    drop(node, 'mode');
    node.attribute.push(attribute('mode', mode.replace(/^bi(?=linear|cubic)/, '')));
  }
  return [node];
};

/** Opset 16 changed the default. */
const roiAlign: Lift = (_graph, node, from) => {
  const name = 'coordinate_transformation_mode';
  if (from < 16 && !node.attribute.some((a) => a.name === name))
    node.attribute.push(attribute(name, 'output_half_pixel'));
  return [node];
};

const refuse =
  (since: number, why: string): Lift =>
  (_graph, node, from) =>
    from >= since ? [node] : fail(node, why, `export the model again at opset ${targetOpset}`);

const inner = refuse(targetOpset, 'it holds a graph of its own');

/**
 * Every operator of the default domain whose form or meaning changed after `oldestOpset` up to `targetOpset`, other
 * than by further types, attributes or inputs that may be left out (ONNX operator changelog).
 */
const lifts: Readonly<Record<string, Lift>> = {
  ...Object.fromEntries(
    ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'].map((kind) => [
      `Reduce${kind}`,
      reduce,
    ]),
  ),
  Split: split,
  GroupNormalization: groupNormalization,
  GridSample: gridSample,
  RoiAlign: roiAlign,
  DFT: refuse(20, 'its axis became an input'),
  AveragePool: (graph, node, from) =>
    intAttribute(node, 'ceil_mode', 0) === 0
      ? [node]
      : refuse(19, 'its rounding up of sizes changed')(graph, node, from),
  If: inner,
  Loop: inner,
  Scan: inner,
  SequenceMap: inner,
};

const shapeOf = (graph: Graph, name: string) => {
  const tensor = graph.initializers.get(name);
  return tensor ? dimsOf(tensor) : graph.types.get(name)?.shape;
};

const typeOf = (graph: Graph, name: string): number =>
  graph.initializers.get(name)?.dataType ?? graph.types.get(name)?.type ?? DataType.FLOAT;

function fail(node: NodeProto, why: string, hint: string): never {
  throw new ParaError('graph', `Operator ${node.opType} cannot be brought to opset ${targetOpset}: ${why}`, {
    where: `node ${node.name || node.output[0]}`,
    hint,
  });
}

/**
 * Brings a graph of an older operator set to `targetOpset`, in place: same values, the forms that the gradient rules
 * write and read. A graph between the target and the newest that the runtime takes keeps its own. Run it where types
 * are known (after `simplify`): GroupNormalization needs its number of channels.
 * @throws ParaError `graph` naming the node that cannot be lifted, or for an operator set out of range
 */
export function liftOpset(graph: Graph): void {
  const from = graph.opset();
  const where = `opset ${from}`;
  if (from > newestOpset)
    throw new ParaError('graph', `The model is of a newer operator set than the runtime takes`, {
      where,
      hint: `export the model again at opset ${targetOpset}`,
    });
  if (from < oldestOpset)
    throw new ParaError('graph', 'The model is of too old an operator set to be trained', {
      where,
      hint: `export the model again at opset 17 or ${targetOpset}`,
    });
  if (from >= targetOpset) return;
  const nodes = graph.nodes.flatMap((node) => {
    const lift = node.domain === '' || node.domain === 'ai.onnx' ? lifts[node.opType] : undefined;
    return lift ? lift(graph, node, from) : [node];
  });
  graph.replaceNodes(nodes);
  graph.setOpset(targetOpset);
  if (graph.model.irVersion < targetIr) graph.model.irVersion = targetIr;
}
