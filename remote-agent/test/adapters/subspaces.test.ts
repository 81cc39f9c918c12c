import { expect, test } from 'vitest';
import { type Adapter, adapterFrom } from '../../src/adapters/adapter.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { principalAngles, unionOf } from '../../src/adapters/subspaces.ts';
import { normals } from '../../src/common/random.ts';

const layers = ['a', 'b'].map((path) => ({ path, kind: 'linear' as const, node: path, dIn: 4, dOut: 30 }));
const plan = methodByName('para').plan(layers, { gamma: 0.1 });

/** A PaRa whose columns are given for every layer. */
function withColumns(columns: number[][]): Adapter {
  const values = new Float32Array(plan.parameterCount);
  for (const { offset, rank } of plan.layers)
    for (let k = 0; k < rank; k++)
      for (let o = 0; o < 30; o++) values[offset + o * rank + k] = columns[k]?.[o] ?? 0;
  return adapterFrom(plan, values, { title: 'made' });
}

const unit = (at: number, angle = 0) =>
  Array.from({ length: 30 }, (_, i) => (i === at ? Math.cos(angle) : i === at + 15 ? Math.sin(angle) : 0));
const random = (seed: number) =>
  adapterFrom(plan, normals(seed, 'b', plan.parameterCount), { title: 'random' });

test('principal angles are those between the removed directions, accurate near 0 and near a right angle', () => {
  const a = withColumns([unit(0), unit(1), unit(2)]);
  const b = withColumns([unit(2, 1e-7), unit(1, 0.7), unit(9)]);
  for (const angles of principalAngles(a, b).values()) {
    expect(angles[0]).toBeCloseTo(1e-7, 9);
    expect(angles[1]).toBeCloseTo(0.7, 6);
    expect(angles[2]).toBeCloseTo(Math.PI / 2, 9);
  }
  expect([...principalAngles(a, b).keys()]).toEqual(['a', 'b']);
});

test('angles do not depend on the order of the adapters or on the basis of a subspace', () => {
  const [a, b] = [random(1), random(2)];
  const there = principalAngles(a, b);
  const back = principalAngles(b, a);
  for (const [path, angles] of there)
    for (const [i, angle] of angles.entries()) expect(angle).toBeCloseTo(back.get(path)![i]!, 10);
  for (const angles of principalAngles(a, a).values())
    for (const angle of angles) expect(angle).toBeLessThan(1e-9);
});

test('the union removes what either removes, in any order, and counts shared directions once', () => {
  const a = withColumns([unit(0), unit(1), unit(2)]);
  const b = withColumns([unit(2), unit(3), unit(1)]);
  const [ab, ba] = [unionOf([a, b]), unionOf([b, a])];
  for (const [i, p] of ab.entries()) {
    expect(p.rank).toBe(4);
    expect(ba[i]!.rank).toBe(4);
    const v = normals(3, 'v', 30);
    const project = (q: typeof p) => {
      const out = Float64Array.from(v);
      for (let k = 0; k < q.rank; k++) {
        let along = 0;
        for (let o = 0; o < 30; o++) along += q.basis[o * q.rank + k]! * v[o]!;
        for (let o = 0; o < 30; o++) out[o]! -= q.basis[o * q.rank + k]! * along;
      }
      return out;
    };
    const [x, y] = [project(p), project(ba[i]!)];
    for (let o = 0; o < 30; o++) {
      expect(x[o]).toBeCloseTo(y[o]!, 12);
      expect(x[o]).toBeCloseTo(o < 4 ? 0 : v[o]!, 6);
    }
  }
});
