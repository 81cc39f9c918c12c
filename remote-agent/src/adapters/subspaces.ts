import { type Adapter, operatorsOf } from './adapter.ts';
import type { Projection } from './method.ts';
import { dot, orthonormalise } from './orthonormal.ts';

/**
 * Principal angles between what two PaRa adapters remove, layer by layer: 0 means a shared direction, pi/2 (all of
 * them) that the two do not touch each other. Cosines are the singular values of `Q1^T Q2` (Bjorck & Golub 1973).
 * @returns radians per common layer, smallest angle first, as many as the smaller rank
 */
export function principalAngles(a: Adapter, b: Adapter): Map<string, number[]> {
  const second = new Map(projectionsOf(b).map((p) => [p.path, p]));
  const angles = new Map<string, number[]>();
  for (const p of projectionsOf(a)) {
    const q = second.get(p.path);
    if (!q || q.dOut !== p.dOut) continue;
    const [small, large] = p.rank <= q.rank ? [columns(p), columns(q)] : [columns(q), columns(p)];
    // atan2(sine, cosine) keeps its accuracy for small and for large angles.
    const inside = small.map((x) => Float64Array.from(large, (y) => dot(x, y)));
    const outside = small.map((x, i) => {
      const rest = x.slice();
      for (const [k, y] of large.entries())
        for (let j = 0; j < rest.length; j++) rest[j] = rest[j]! - inside[i]![k]! * y[j]!;
      return rest;
    });
    const cosines = singularValues(inside);
    const sines = singularValues(outside).reverse();
    angles.set(
      p.path,
      cosines.map((c, i) => Math.atan2(sines[i]!, c)),
    );
  }
  return angles;
}

/**
 * The projection onto the span of several PaRa adapters together, layer by layer: what "remove both" means without
 * an order. Directions that two adapters share are counted once.
 */
export function unionOf(adapters: readonly Adapter[]): Projection[] {
  const byPath = new Map<string, { dOut: number; vectors: Float64Array[] }>();
  for (const projection of adapters.flatMap(projectionsOf)) {
    const { path, dOut } = projection;
    const found = byPath.get(path) ?? { dOut, vectors: [] };
    found.vectors.push(...columns(projection));
    byPath.set(path, found);
  }
  return [...byPath].map(([path, { dOut, vectors }]) => {
    orthonormalise(vectors, 1e-6);
    const kept = vectors.filter((v) => dot(v, v) > 0.5);
    const rank = kept.length;
    const basis = new Float64Array(dOut * rank);
    for (const [k, v] of kept.entries()) for (let i = 0; i < dOut; i++) basis[i * rank + k] = v[i]!;
    return { kind: 'projection', path, dOut, rank, basis };
  });
}

function projectionsOf(adapter: Adapter): Projection[] {
  return operatorsOf(adapter).filter((o): o is Projection => o.kind === 'projection');
}

function columns({ basis, dOut, rank }: Projection): Float64Array[] {
  return Array.from({ length: rank }, (_, k) =>
    Float64Array.from({ length: dOut }, (_, i) => basis[i * rank + k]!),
  );
}

/** Singular values of a matrix given by its rows, largest first, by one-sided Jacobi rotations. */
function singularValues(rows: readonly Float64Array[]): number[] {
  const m = rows.map((row) => row.slice());
  for (let sweep = 0, rotated = true; rotated && sweep < 60; sweep++) {
    rotated = false;
    for (let i = 0; i < m.length; i++)
      for (let j = i + 1; j < m.length; j++) {
        const [a, b] = [m[i]!, m[j]!];
        const [aa, bb, ab] = [dot(a, a), dot(b, b), dot(a, b)];
        if (Math.abs(ab) <= 1e-15 * Math.sqrt(aa * bb) || ab === 0) continue;
        rotated = true;
        const zeta = (bb - aa) / (2 * ab);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        const c = 1 / Math.sqrt(1 + t * t);
        for (let k = 0; k < a.length; k++) {
          const [x, y] = [a[k]!, b[k]!];
          a[k] = c * (x - t * y);
          b[k] = c * (t * x + y);
        }
      }
  }
  return m.map((row) => Math.sqrt(dot(row, row))).sort((x, y) => y - x);
}
