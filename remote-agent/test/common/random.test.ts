import { expect, test } from 'vitest';
import { logarithm, normalQuantile, normals, philox, Random } from '../../src/common/random.ts';

const hex = (words: Uint32Array) => [...words].map((w) => w.toString(16));

test('the generator gives the known answers published with Philox 4x32-10', () => {
  const out = new Uint32Array(4);
  philox(0, 0, 0, 0, 0, 0, out);
  expect(hex(out)).toEqual(['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']);
  const f = 0xffffffff;
  philox(f, f, f, f, f, f, out);
  expect(hex(out)).toEqual(['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd']);
  philox(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, out);
  expect(hex(out)).toEqual(['d16cfe09', '94fdcceb', '5001e420', '24126ea1']);
});

test('the normal quantile agrees with an independent implementation (CPython statistics.NormalDist)', () => {
  const known: [number, number][] = [
    [0.3, -0.5244005127080407],
    [0.07, -1.4757910281791702],
    [0.01, -2.3263478740408408],
    [1e-5, -4.2648907939228256],
    [1e-12, -7.034483825301132],
    [1e-15, -7.941345326170995],
    [0.999999, 4.753424308817089],
  ];
  for (const [p, z] of known) expect(normalQuantile(p)).toBeCloseTo(z, 14);
  for (const x of [1e-300, 1e-9, 0.3, 1, 1.5, 7, 1e20])
    expect(logarithm(x)).toBeCloseTo(Math.log(x), x < 1e-10 || x > 10 ? 12 : 15);
});

test('seed and stream fix every bit, and these values never change', () => {
  expect(normals(42, 'noise', 4)).toEqual(
    Float32Array.from([-1.0431538820266724, 0.18599577248096466, 1.4158843755722046, 0.46577250957489014]),
  );
  expect(new Random(42).uniform()).toBe(0.6129598836390154);
  expect(normals(42, 'noise', 8)).not.toEqual(normals(42, 'other', 8));
  expect(normals(42, 0, 8)).not.toEqual(normals(43, 0, 8));
  expect(normals(42, 5, 8)).not.toEqual(normals(42, 6, 8));
});

test('a sequence continues from any position', () => {
  const whole = new Random(7, 'x');
  const values = Array.from({ length: 9 }, () => whole.uniform());
  for (let start = 0; start < 9; start++) {
    const later = new Random(7, 'x');
    later.position = start;
    expect(Array.from({ length: 9 - start }, () => later.uniform())).toEqual(values.slice(start));
  }
});

test('normal values have the moments of the standard normal distribution', () => {
  const values = normals(3, 'moments', 200_000);
  const mean = (power: number) => values.reduce((sum, x) => sum + x ** power, 0) / values.length;
  expect(Math.abs(mean(1))).toBeLessThan(0.01);
  expect(Math.abs(mean(2) - 1)).toBeLessThan(0.015);
  expect(Math.abs(mean(3))).toBeLessThan(0.03);
  expect(Math.abs(mean(4) - 3)).toBeLessThan(0.1);
});

test('whole numbers and shuffles cover their range', () => {
  const random = new Random(1, 'integers');
  const seen = new Set(Array.from({ length: 200 }, () => random.integer(6)));
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  expect(random.shuffled([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5]);
});

test('a seed that is not a whole number from 0 to 2^53 - 1 is refused', () => {
  for (const seed of [-1, 0.5, 2 ** 53, Number.NaN]) expect(() => new Random(seed)).toThrow(RangeError);
});
