import { expect, test } from 'vitest';
import { orthonormalColumns } from '../../src/adapters/orthonormal.ts';
import { type Bases, orthonormal } from '../../src/adapters/orthonormal-graph.ts';
import { normals } from '../../src/common/random.ts';
import { newGraph } from '../../src/onnx/io.ts';
import { DataType } from '../../src/onnx/types.ts';
import { f64 } from '../../src/runtime/tensor.ts';
import { largestDifference, runGraph } from './small-graph.ts';

/** Q and R^-T of `count` matrices [dOut, rank], all in f64. */
async function factorise(b: Float64Array, count: number, dOut: number, rank: number) {
  const graph = newGraph('factorise', 18);
  graph.addInput('b', DataType.DOUBLE, [count, dOut, rank]);
  const [{ q, inverse }] = orthonormal(graph, [{ value: 'b', count, dOut, rank }]) as [Bases];
  graph.addOutput(q, DataType.DOUBLE, [count, dOut, rank]);
  graph.addOutput(inverse, DataType.DOUBLE, [count, rank, rank]);
  const out = await runGraph(graph, { b: f64([count, dOut, rank], b) });
  return { q: out[q]!.data as Float64Array, inverse: out[inverse]!.data as Float64Array };
}

/** Matrices whose columns are one shared vector plus `apart` times vectors of their own. */
function matrices(count: number, dOut: number, rank: number, apart: number): Float64Array {
  const shared = normals(2, 'shared', count * dOut);
  const own = normals(2, 'own', count * dOut * rank);
  return Float64Array.from(own, (x, i) => (apart < 1 ? shared[Math.floor(i / rank)]! : 0) + apart * x);
}

for (const [dOut, rank] of [
  [5, 1],
  [6, 2],
  [30, 3],
  [160, 13],
  [320, 32],
] as const)
  for (const apart of [1, 1e-3, 1e-6, 1e-11])
    test(`bases of [${dOut}, ${rank}] are orthonormal to 1e-12 where columns are ${apart} apart, and R^-T belongs to them`, async () => {
      const count = 3;
      const b = matrices(count, dOut, rank, apart);
      const { q, inverse } = await factorise(b, count, dOut, rank);
      for (let m = 0; m < count; m++) {
        const [from, to] = [m * dOut * rank, (m + 1) * dOut * rank];
        const own = q.subarray(from, to);
        const t = inverse.subarray(m * rank * rank, (m + 1) * rank * rank);
        for (let i = 0; i < rank; i++)
          for (let j = 0; j < rank; j++) {
            let sum = 0;
            for (let k = 0; k < dOut; k++) sum += own[k * rank + i]! * own[k * rank + j]!;
            expect(Math.abs(sum - (i === j ? 1 : 0))).toBeLessThan(1e-12);
          }
        // What the condition of B (about 1 / apart) leaves of f64's digits.
        const tolerance = 1e-13 * Math.max(10, 20 / apart);
        const again = Float64Array.from(own, (_, at) => {
          const [row, column] = [Math.floor(at / rank), at % rank];
          let sum = 0;
          for (let k = 0; k < rank; k++) sum += b[from + row * rank + k]! * t[column * rank + k]!;
          return sum;
        });
        expect(largestDifference(again, own)).toBeLessThan(tolerance);
        expect(largestDifference(orthonormalColumns(b.subarray(from, to), dOut, rank), own)).toBeLessThan(
          tolerance,
        );
      }
    });
