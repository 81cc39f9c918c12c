import { describe, expect, it } from 'vitest';
import { f32, floatsFromHalf, halfFromFloats, tensorOf, toFloats } from '../../src/runtime/tensor.ts';

describe('half-precision tensors', () => {
  it('keep every one of the 65536 bit patterns through f32 and back', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const back = halfFromFloats(floatsFromHalf(all));
    for (let i = 0; i < 65536; i++) {
      const notANumber = (i & 0x7c00) === 0x7c00 && (i & 0x3ff) !== 0;
      if (notANumber) expect(back[i]! & 0x7e00).toBe(0x7e00);
      else if (back[i] !== i) expect.fail(`${i} became ${back[i]}`);
    }
  });

  it('round to nearest, ties to even, and overflow to infinity', () => {
    const cases: [number, number][] = [
      [1, 0x3c00],
      [1 + 1 / 2048, 0x3c00],
      [1 + 3 / 2048, 0x3c02],
      [65504, 0x7bff],
      [65519.99, 0x7bff],
      [65520, 0x7c00],
      [-1e9, 0xfc00],
      [2 ** -24, 0x0001],
      [2 ** -25, 0x0000],
      [2 ** -25 * 1.001, 0x0001],
      [-0, 0x8000],
    ];
    for (const [value, bits] of cases) expect(halfFromFloats([value])[0]).toBe(bits);
  });
});

describe('a tensor', () => {
  it('is made from plain numbers in the type that a graph asks for', () => {
    expect(tensorOf('int64', [2], [1, -2]).data).toEqual(BigInt64Array.of(1n, -2n));
    expect(tensorOf('float16', [1], [0.5]).data).toEqual(Uint16Array.of(0x3800));
    for (const type of ['float32', 'float16', 'float64', 'int64', 'int32', 'uint8'] as const)
      expect(Array.from(toFloats(tensorOf(type, [2], [1, 3])))).toEqual([1, 3]);
  });

  it('shares the memory of f32 data', () => {
    const data = Float32Array.of(1, 2);
    expect(toFloats(f32([2], data))).toBe(data);
  });
});
