import type { Graph } from '../onnx/graph.ts';
import { DataType, floatTensor, int64Tensor } from '../onnx/types.ts';

/** `count` matrices [dOut, rank] in one value. */
export interface Matrices {
  readonly count: number;
  readonly dOut: number;
  readonly rank: number;
}

/** A vector of integers as a constant. */
export const integers = (graph: Graph, values: readonly number[]) =>
  graph.setInitializer(int64Tensor(graph.uniqueName('shape'), [values.length], values));

export const cast = (graph: Graph, value: string, to: DataType) =>
  graph.add('Cast', [value], { attributes: { to: BigInt(to) } });

export const reshape = (graph: Graph, value: string, dims: readonly number[]) =>
  graph.add('Reshape', [value, integers(graph, dims)]);

/** The last two axes of a rank-3 value exchanged. */
export const swapped = (graph: Graph, value: string) =>
  graph.add('Transpose', [value], { attributes: { perm: [0n, 2n, 1n] } });

/** `value[:, rows, columns]`, each a range of the 2nd and 3rd axis. */
function block(
  graph: Graph,
  value: string,
  rows: readonly [number, number],
  columns: readonly [number, number],
): string {
  const [from, to] = [0, 1].map((i) => integers(graph, [rows[i]!, columns[i]!])) as [string, string];
  return graph.add('Slice', [value, from, to, integers(graph, [1, 2])]);
}

const stack = (graph: Graph, parts: readonly string[], axis: bigint) =>
  parts.length === 1 ? parts[0]! : graph.add('Concat', parts, { attributes: { axis } });

const double = (graph: Graph, dims: readonly number[], values: Float32Array, hint: string) =>
  cast(graph, graph.setInitializer(floatTensor(graph.uniqueName(hint), dims, values)), DataType.DOUBLE);

function identity(graph: Graph, rank: number): string {
  const values = new Float32Array(rank * rank);
  for (let i = 0; i < rank; i++) values[i * rank + i] = 1;
  return double(graph, [1, rank, rank], values, 'identity');
}

/**
 * `L^-1` of the Cholesky factors `A = L L^T`, f64[count, n, n], by halves: with `W = A21 L11^-T` the second half is
 * that of `A22 - W W^T`, and the corner between is `-L22^-1 W L11^-1`.
 */
function inverseFactor(graph: Graph, symmetric: string, count: number, n: number): string {
  if (n === 1) return graph.add('Reciprocal', [graph.add('Sqrt', [symmetric])]);
  const h = n >> 1;
  const first = inverseFactor(graph, block(graph, symmetric, [0, h], [0, h]), count, h);
  const w = graph.add('MatMul', [block(graph, symmetric, [h, n], [0, h]), swapped(graph, first)]);
  const rest = graph.add('MatMul', [w, swapped(graph, w)]);
  const second = graph.add('Sub', [block(graph, symmetric, [h, n], [h, n]), rest]);
  const last = inverseFactor(graph, second, count, n - h);
  const corner = graph.add('MatMul', [graph.add('MatMul', [last, w]), first]);
  const nothing = double(graph, [count, h, n - h], new Float32Array(count * h * (n - h)), 'zeros');
  const top = stack(graph, [first, nothing], 2n);
  return stack(graph, [top, stack(graph, [graph.add('Neg', [corner]), last], 2n)], 1n);
}

/** `gram + s I` with `s` just above the rounding errors of a Gram matrix of these sizes, by its trace. */
function shifted(graph: Graph, gram: string, { dOut, rank }: Matrices): string {
  const unit = identity(graph, rank);
  const diagonal = graph.add('Mul', [gram, unit]);
  const trace = graph.add('ReduceSum', [diagonal, integers(graph, [1, 2])]);
  const share = 11 * rank * (dOut + rank + 1) * 2 ** -53;
  const scaled = graph.add('Mul', [trace, double(graph, [1, 1, 1], Float32Array.of(share), 'shift')]);
  return graph.add('Add', [gram, graph.add('Mul', [unit, scaled])]);
}

/** Matrices [count, dOut, rank] in one value, and its name. */
export interface NamedMatrices extends Matrices {
  readonly value: string;
}

/** Names of the values that `orthonormal` makes. */
export interface Bases {
  readonly q: string;
  readonly inverse: string;
}

/** `value[from : from + count]` of the first axis. */
const members = (graph: Graph, value: string, from: number, count: number) =>
  graph.add('Slice', [value, integers(graph, [from]), integers(graph, [from + count])]);

/**
 * Q of `B = Q R`, f64[count, dOut, rank], and `R^-T`, f64[count, rank, rank], of each of these values of one rank, by
 * three passes of Cholesky QR, the first one shifted (Fukaya, Kannan, Nakatsukasa, Yamamoto, Yanagisawa, "Shifted
 * Cholesky QR for computing the QR factorization of ill-conditioned matrices", 2020): orthonormal to machine precision
 * for condition numbers up to about 1e15, and nearly all of it matrix products. A single column only gets its length.
 *
 * The Gram matrices are small, and their factors take many operators: those of all values are factored together.
 */
export function orthonormal(graph: Graph, all: readonly NamedMatrices[]): Bases[] {
  const { rank } = all[0]!;
  const total = all.reduce((sum, { count }) => sum + count, 0);
  let made: (Pick<Bases, 'q'> & Partial<Bases>)[] = all.map(({ value }) => ({ q: value }));
  const passes = rank === 1 ? 1 : 3;
  for (let pass = 0; pass < passes; pass++) {
    const grams = made.map(({ q }, i) => {
      const gram = graph.add('MatMul', [swapped(graph, q), q]);
      return pass === 0 && passes > 1 ? shifted(graph, gram, all[i]!) : gram;
    });
    const factors = inverseFactor(graph, stack(graph, grams, 0n), total, rank);
    let from = 0;
    made = made.map(({ q, inverse }, i) => {
      const { count } = all[i]!;
      const factor = all.length === 1 ? factors : members(graph, factors, from, count);
      from += count;
      return {
        q: graph.add('MatMul', [q, swapped(graph, factor)]),
        inverse: inverse ? graph.add('MatMul', [factor, inverse]) : factor,
      };
    });
  }
  return made as Bases[];
}
