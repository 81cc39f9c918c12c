import { ParaError } from '../common/errors.ts';
import { intAttribute } from '../onnx/attributes.ts';
import type { Graph } from '../onnx/graph.ts';
import type { NodeProto } from '../onnx/proto/onnx_pb.ts';
import { DataType } from '../onnx/types.ts';
import { Emitter } from './emitter.ts';
import { operatorOf, reasonAgainst, stepwiseOperators } from './registry.ts';
import './rules/index.ts';

/** What lies between some sources and some targets of a graph. */
export interface GradientPath {
  /** Nodes to be differentiated, in order. */
  readonly nodes: readonly NodeProto[];
  /** Every value that depends on a source, with the node that makes it. */
  readonly dependent: ReadonlyMap<string, NodeProto | undefined>;
}

/** Operators of one kind that stand in the way of a gradient. */
export interface Obstacle {
  /** `MatMul`, or `domain.Operator` where not of ONNX itself. */
  readonly operator: string;
  /** Why this form of an operator that has a rule is not supported; absent where there is no rule at all. */
  readonly reason?: string;
  readonly count: number;
  /** The first such node, with the way there. */
  readonly where: string;
  /** Made by an optimiser of the model: an export without fusion does not hold it. */
  readonly fused: boolean;
}

const realTypes: ReadonlySet<number> = new Set([
  DataType.FLOAT,
  DataType.FLOAT16,
  DataType.BFLOAT16,
  DataType.DOUBLE,
]);

const isStepwise = (node: NodeProto) =>
  stepwiseOperators.has(node.opType) ||
  (node.opType === 'Cast' && !realTypes.has(intAttribute(node, 'to', DataType.FLOAT)));

/** Nodes between `sources` and `targets` (value names), in order, and all values that depend on a source. */
export function gradientPath(
  graph: Graph,
  targets: Iterable<string>,
  sources: Iterable<string>,
): GradientPath {
  const dependent = new Map<string, NodeProto | undefined>();
  for (const name of sources) dependent.set(name, undefined);
  const reads = (node: NodeProto) => node.input.some((name) => dependent.has(name));
  for (const node of graph.nodes)
    if (!isStepwise(node) && reads(node))
      for (const name of node.output) if (name && !dependent.has(name)) dependent.set(name, node);
  const wanted = new Set(targets);
  const nodes: NodeProto[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    if (!reads(node) || !node.output.some((name) => wanted.has(name) && dependent.has(name))) continue;
    nodes.push(node);
    for (const name of node.input) if (dependent.has(name)) wanted.add(name);
  }
  return { nodes: nodes.reverse(), dependent };
}

/** Everything on a path that has no gradient, one entry per operator and reason, the most frequent first. */
export function findObstacles(graph: Graph, path: GradientPath): Obstacle[] {
  const emit = new Emitter(graph);
  const found = new Map<string, Obstacle>();
  for (const node of path.nodes) {
    const reason = reasonAgainst({ node, emit, needs: node.input.map((name) => path.dependent.has(name)) });
    if (reason === undefined) continue;
    const operator = operatorOf(node);
    const key = `${operator}: ${reason}`;
    const before = found.get(key);
    found.set(key, {
      operator,
      ...(reason ? { reason } : {}),
      count: (before?.count ?? 0) + 1,
      where: before?.where ?? whereIs(node, path.dependent),
      fused: operator !== node.opType,
    });
  }
  return [...found.values()].sort((a, b) => b.count - a.count || (a.operator < b.operator ? -1 : 1));
}

function whereIs(node: NodeProto, dependent: GradientPath['dependent']): string {
  const chain: string[] = [];
  let at: NodeProto | undefined = node;
  while (at && chain.length < 6) {
    chain.push(`${operatorOf(at)} (${at.name || at.output[0]})`);
    const from: string | undefined = at.input.find((name) => dependent.has(name));
    at = from ? dependent.get(from) : undefined;
  }
  return `node ${node.name || node.output[0]}, reached through ${chain.reverse().join(' -> ')}`;
}

/** All obstacles as one error `no-gradient`: which operators, how many nodes of each, where the first one is. */
export function obstacleError(obstacles: readonly Obstacle[]): ParaError {
  const [first] = obstacles as [Obstacle];
  const name = ({ operator, reason }: Obstacle) => (reason ? `${operator} (${reason})` : operator);
  const listed = obstacles.map((o) => `${name(o)} x ${o.count}`);
  const what =
    obstacles.length > 1
      ? `${obstacles.length} kinds of operators have no gradient: ${listed.join(', ')}`
      : `Operator ${first.operator} has no gradient${first.reason ? ` here: ${first.reason}` : ''}` +
        `${first.count > 1 ? ` (${first.count} nodes)` : ''}`;
  return new ParaError('no-gradient', what, {
    where: first.where,
    hint: obstacles.some((o) => o.fused)
      ? 'export the model without fusion or optimisation'
      : 'choose other layers, or export the model with a current exporter',
  });
}
