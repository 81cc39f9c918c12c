import type { Graph } from '../onnx/graph.ts';
import { newGraph } from '../onnx/io.ts';
import { DataType, floatTensor, int64Tensor } from '../onnx/types.ts';
import { type AdapterPlan, preparationNames as names } from './method.ts';

/** Layers of one output width and rank, adjacent in the flat vectors. */
interface Group {
  readonly offset: number;
  readonly count: number;
  readonly dOut: number;
  readonly rank: number;
}

function groupsOf(plan: AdapterPlan): Group[] {
  const groups: { offset: number; count: number; dOut: number; rank: number }[] = [];
  for (const { dOut, rank, offset } of plan.layers) {
    const last = groups.at(-1);
    if (last && last.dOut === dOut && last.rank === rank) last.count++;
    else groups.push({ offset, count: 1, dOut, rank });
  }
  return groups;
}

const integers = (graph: Graph, values: readonly number[]) =>
  graph.setInitializer(int64Tensor(graph.uniqueName('shape'), [values.length], values));

const cast = (graph: Graph, value: string, to: DataType) =>
  graph.add('Cast', [value], { attributes: { to: BigInt(to) } });

const reshape = (graph: Graph, value: string, dims: readonly number[]) =>
  graph.add('Reshape', [value, integers(graph, dims)]);

const swapped = (graph: Graph, value: string) =>
  graph.add('Transpose', [value], { attributes: { perm: [0n, 2n, 1n] } });

/** A group's part of a flat f32 vector as f64[count, rank, dOut]: one matrix per layer, its columns as rows. */
function rowsOf(graph: Graph, vector: string, { offset, count, dOut, rank }: Group): string {
  const end = offset + count * dOut * rank;
  const flat = graph.add('Slice', [vector, integers(graph, [offset]), integers(graph, [end])]);
  return swapped(graph, cast(graph, reshape(graph, flat, [count, dOut, rank]), DataType.DOUBLE));
}

/** f64[count, rank, dOut] as the flat f32 part of the group. */
function flatten(graph: Graph, rows: string): string {
  return reshape(graph, cast(graph, swapped(graph, rows), DataType.FLOAT), [-1]);
}

function splitRows(graph: Graph, value: string, rank: number): string[] {
  if (rank === 1) return [value];
  const node = graph.makeNode('Split', [value], {
    attributes: { axis: 1n, num_outputs: BigInt(rank) },
    outputs: rank,
    hint: 'row',
  });
  graph.push(node);
  return [...node.output];
}

const stack = (graph: Graph, rows: readonly string[]) =>
  rows.length === 1 ? rows[0]! : graph.add('Concat', rows, { attributes: { axis: 1n } });

/**
 * Two-pass classical Gram-Schmidt over the rows of f64[count, rank, dOut], unrolled over the rows (Giraud, Langou,
 * Rozloznik, van den Eshof, "Rounding error analysis of the classical Gram-Schmidt orthogonalization process",
 * 2005: two passes give orthonormality to machine precision). With `inverse`, the same steps on the identity give
 * `R^-T` of `B = Q R`, f64[count, rank, rank].
 */
function gramSchmidt(
  graph: Graph,
  rows: string,
  group: Group,
  inverse: boolean,
): { q: string; inverse: string | undefined } {
  const { count, dOut, rank } = group;
  const q: string[] = [];
  const t: string[] = [];
  const identityRows = inverse ? splitRows(graph, identity(graph, count, rank), rank) : [];
  for (const [j, start] of splitRows(graph, rows, rank).entries()) {
    let v = start;
    let u = identityRows[j];
    const done = q.length === 0 ? undefined : stack(graph, q);
    const doneT = u && t.length > 0 ? stack(graph, t) : undefined;
    for (let pass = 0; done && pass < 2; pass++) {
      const onto = graph.add('MatMul', [done, reshape(graph, v, [count, dOut, 1])]);
      const amounts = reshape(graph, onto, [count, 1, j]);
      v = graph.add('Sub', [v, graph.add('MatMul', [amounts, done])]);
      if (u && doneT) u = graph.add('Sub', [u, graph.add('MatMul', [amounts, doneT])]);
    }
    const square = graph.add('MatMul', [v, reshape(graph, v, [count, dOut, 1])]);
    const length = graph.add('Sqrt', [square]);
    q.push(graph.add('Div', [v, length]));
    if (u) t.push(graph.add('Div', [u, length]));
  }
  return { q: stack(graph, q), inverse: inverse ? stack(graph, t) : undefined };
}

function identity(graph: Graph, count: number, rank: number): string {
  const values = new Float32Array(rank * rank);
  for (let i = 0; i < rank; i++) values[i * rank + i] = 1;
  const one = graph.setInitializer(floatTensor(graph.uniqueName('identity'), [1, rank, rank], values));
  return graph.add('Expand', [cast(graph, one, DataType.DOUBLE), integers(graph, [count, rank, rank])]);
}

function joined(graph: Graph, parts: readonly string[], name: string, length: number): void {
  const options = { outputs: [name] };
  const node =
    parts.length === 1
      ? graph.makeNode('Identity', parts, options)
      : graph.makeNode('Concat', parts, { ...options, attributes: { axis: 0n } });
  graph.push(node);
  graph.addOutput(name, DataType.FLOAT, [length]);
}

/** Graph parameters (B of every layer) f32[n] -> coefficients (Q of every layer) f32[n]; f64 inside. */
export function basisGraph(plan: AdapterPlan): Graph {
  const graph = newGraph('para basis', 18);
  const parameters = graph.addInput(names.parameters, DataType.FLOAT, [plan.parameterCount]);
  const parts = groupsOf(plan).map((group) =>
    flatten(graph, gramSchmidt(graph, rowsOf(graph, parameters, group), group, false).q),
  );
  joined(graph, parts, names.coefficients, plan.coefficientCount);
  return graph;
}

/**
 * Graph (parameters f32[n], coefficients_gradient f32[n]) -> parameters_gradient f32[n]. The loss depends on Q only
 * through `P = Q Q^T`, and with `G = dL/dQ` (Q taken as free) the exact gradient through the orthonormalisation is
 * `dL/dB = (I - Q Q^T) G R^-T`; transposed: `R^-1 (G^T - (G^T Q) Q^T)`.
 */
export function basisPullbackGraph(plan: AdapterPlan): Graph {
  const graph = newGraph('para basis gradient', 18);
  const parameters = graph.addInput(names.parameters, DataType.FLOAT, [plan.parameterCount]);
  const gradient = graph.addInput(names.coefficientsGradient, DataType.FLOAT, [plan.coefficientCount]);
  const parts = groupsOf(plan).map((group) => {
    const { q, inverse } = gramSchmidt(graph, rowsOf(graph, parameters, group), group, true);
    const g = rowsOf(graph, gradient, group);
    const along = graph.add('MatMul', [graph.add('MatMul', [g, swapped(graph, q)]), q]);
    const across = graph.add('Sub', [g, along]);
    return flatten(graph, graph.add('MatMul', [swapped(graph, inverse!), across]));
  });
  joined(graph, parts, names.parametersGradient, plan.parameterCount);
  return graph;
}
