import type { Graph } from '../onnx/graph.ts';
import { newGraph } from '../onnx/io.ts';
import { DataType } from '../onnx/types.ts';
import { type AdapterPlan, preparationNames as names } from './method.ts';
import {
  type Bases,
  cast,
  integers,
  type Matrices,
  orthonormal,
  reshape,
  swapped,
} from './orthonormal-graph.ts';

/** Layers of one output width and rank, adjacent in the flat vectors. */
interface Group extends Matrices {
  readonly offset: number;
}

/**
 * Most values of the matrices that are handled together. The runtime keeps the memory of its largest run, and there are
 * about ten f64 copies of these: one group of all layers of SDXL took 2.3 GB.
 */
const mostTogether = 2 ** 20;

function groupsOf(plan: AdapterPlan, most: number): Group[] {
  const groups: { offset: number; count: number; dOut: number; rank: number }[] = [];
  for (const { dOut, rank, offset } of plan.layers) {
    const last = groups.at(-1);
    if (last && last.dOut === dOut && last.rank === rank && (last.count + 1) * dOut * rank <= most)
      last.count++;
    else groups.push({ offset, count: 1, dOut, rank });
  }
  return groups;
}

/** Part of a flat vector, from `offset`, as f64[count, rows, columns]. */
function matricesOf(graph: Graph, vector: string, offset: number, dims: readonly number[]): string {
  const end = offset + dims.reduce((a, b) => a * b, 1);
  const flat = graph.add('Slice', [vector, integers(graph, [offset]), integers(graph, [end])]);
  return cast(graph, reshape(graph, flat, dims), DataType.DOUBLE);
}

/** Matrices as a flat part of an output. */
const flatten = (graph: Graph, matrices: string, type: DataType) =>
  reshape(graph, cast(graph, matrices, type), [-1]);

function joined(
  graph: Graph,
  parts: readonly string[],
  [name, type, length]: readonly [string, DataType, number],
): void {
  const options = { outputs: [name] };
  const node =
    parts.length === 1
      ? graph.makeNode('Identity', parts, options)
      : graph.makeNode('Concat', parts, { ...options, attributes: { axis: 0n } });
  graph.push(node);
  graph.addOutput(name, type, [length]);
}

/** Values of `R^-T` of all layers together. */
const factorCount = (plan: AdapterPlan) => plan.layers.reduce((sum, { rank }) => sum + rank * rank, 0);

/**
 * Graph parameters (B of every layer) f32[n] -> coefficients (Q of every layer) f32[n] and, for the pullback, kept
 * (`R^-T` of every layer) f64; f64 inside.
 * @param most values of matrices that are handled together: less memory, the same bits
 */
export function basisGraph(plan: AdapterPlan, most = mostTogether): Graph {
  const graph = newGraph('para basis', 18);
  const parameters = graph.addInput(names.parameters, DataType.FLOAT, [plan.parameterCount]);
  const groups = groupsOf(plan, most);
  const made = new Map<Group, Bases>();
  for (const rank of new Set(groups.map((group) => group.rank))) {
    const alike = groups.filter((group) => group.rank === rank);
    const bases = orthonormal(
      graph,
      alike.map(({ offset, count, dOut }) => ({
        value: matricesOf(graph, parameters, offset, [count, dOut, rank]),
        ...{ count, dOut, rank },
      })),
    );
    alike.forEach((group, i) => {
      made.set(group, bases[i]!);
    });
  }
  const { FLOAT, DOUBLE } = DataType;
  joined(
    graph,
    groups.map((group) => flatten(graph, made.get(group)!.q, FLOAT)),
    [names.coefficients, FLOAT, plan.coefficientCount],
  );
  joined(
    graph,
    groups.map((group) => flatten(graph, made.get(group)!.inverse, DOUBLE)),
    [names.kept, DOUBLE, factorCount(plan)],
  );
  return graph;
}

/**
 * Graph (parameters f32[n], kept f64, coefficients_gradient f32[n]) -> parameters_gradient f32[n]. The loss depends on
 * Q only through `P = Q Q^T`, and with `G = dL/dQ` (Q taken as free) the exact gradient through the orthonormalisation
 * is `dL/dB = (I - Q Q^T) G R^-T`; `Q = B R^-1` is made again.
 * @param most as for `basisGraph`
 */
export function basisPullbackGraph(plan: AdapterPlan, most = mostTogether): Graph {
  const graph = newGraph('para basis gradient', 18);
  const parameters = graph.addInput(names.parameters, DataType.FLOAT, [plan.parameterCount]);
  const kept = graph.addInput(names.kept, DataType.DOUBLE, [factorCount(plan)]);
  const gradient = graph.addInput(names.coefficientsGradient, DataType.FLOAT, [plan.coefficientCount]);
  let factor = 0;
  const parts = groupsOf(plan, most).map(({ offset, count, dOut, rank }) => {
    const b = matricesOf(graph, parameters, offset, [count, dOut, rank]);
    const inverse = matricesOf(graph, kept, factor, [count, rank, rank]);
    factor += count * rank * rank;
    const q = graph.add('MatMul', [b, swapped(graph, inverse)]);
    const g = matricesOf(graph, gradient, offset, [count, dOut, rank]);
    const along = graph.add('MatMul', [q, graph.add('MatMul', [swapped(graph, q), g])]);
    return flatten(graph, graph.add('MatMul', [graph.add('Sub', [g, along]), inverse]), DataType.FLOAT);
  });
  joined(graph, parts, [names.parametersGradient, DataType.FLOAT, plan.parameterCount]);
  return graph;
}
