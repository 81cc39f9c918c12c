import { describe, expect, it } from 'vitest';
import { Random } from '../../src/common/random.ts';
import {
  bucketSizes,
  centreCut,
  coverSize,
  cutsOf,
  nearestBucket,
  randomCut,
  shownCorner,
} from '../../src/dataset/crop.ts';

const square = (side: number) => ({ width: side, height: side });
const settings = { crop: 'center', crops: 4, flip: false, seed: 0 } as const;

describe('buckets', () => {
  for (const [side, step] of [
    [1024, 32],
    [1024, 64],
    [512, 64],
    [64, 16],
    [16, 4],
    [16, 16],
  ] as const)
    it(`of ${side} px in steps of ${step} fit the base and hold no more than the square`, () => {
      const sizes = bucketSizes(square(side), step);
      for (const { width, height } of sizes) {
        expect([width % step, height % step], `${width} x ${height}`).toEqual([0, 0]);
        expect(width * height).toBeLessThanOrEqual(side * side);
        // About the same area: one more step of the shorter side would be too much.
        const [short, long] = [Math.min(width, height), Math.max(width, height)];
        expect((short + step) * long, `${width} x ${height}`).toBeGreaterThan(
          Math.min(side * side, side * short),
        );
        expect(sizes).toContainEqual({ width: height, height: width });
      }
      expect(sizes).toContainEqual(square(side));
    });

  it('crop a photograph of any usual shape by less than a tenth at 1024 px', () => {
    const sizes = bucketSizes(square(1024), 32);
    for (const [width, height] of [
      [4000, 3000],
      [3000, 4000],
      [6000, 4000],
      [1920, 1080],
      [1080, 1920],
      [2000, 1600],
      [3000, 3000],
    ] as const) {
      const bucket = nearestBucket({ width, height }, sizes);
      const scaled = coverSize({ width, height }, bucket);
      const lost = 1 - (bucket.width * bucket.height) / (scaled.width * scaled.height);
      expect(lost, `${width} x ${height} in ${bucket.width} x ${bucket.height}`).toBeLessThan(0.1);
      expect(bucket.width * bucket.height).toBeGreaterThan(0.9 * 1024 * 1024);
    }
  });

  it('keep a square picture square', () => {
    expect(nearestBucket(square(777), bucketSizes(square(1024), 32))).toEqual(square(1024));
  });
});

describe('cuts', () => {
  it('take the middle of what covers the size', () => {
    const cut = centreCut({ width: 400, height: 100 }, square(50));
    expect(cut).toMatchObject({ scaled: { width: 200, height: 50 }, left: 75, top: 0 });
  });

  it('at random reach every place along the longer side, and none outside', () => {
    const seen = new Set<number>();
    const random = new Random(1, 'test');
    for (let i = 0; i < 200; i++) {
      const { left, top, scaled } = randomCut({ width: 100, height: 80 }, square(8), random);
      expect(scaled).toEqual({ width: 10, height: 8 });
      expect(top).toBe(0);
      seen.add(left);
    }
    expect([...seen].sort()).toEqual([0, 1, 2]);
  });

  it('at random follow from seed and content alone', () => {
    const wide = { width: 1000, height: 100 };
    const lefts = (hash: string, seed: number) =>
      cutsOf(wide, hash, square(64), 8, { ...settings, crop: 'random', seed }).map((cut) => cut.left);
    expect(lefts('a', 0)).toHaveLength(4);
    expect(new Set(lefts('a', 0)).size).toBeGreaterThan(1);
    expect(lefts('a', 0)).toEqual(lefts('a', 0));
    expect(lefts('b', 0)).not.toEqual(lefts('a', 0));
    expect(lefts('a', 1)).not.toEqual(lefts('a', 0));
  });

  it('come mirrored too when asked to, with the corner of the mirrored picture', () => {
    const wide = { width: 100, height: 50 };
    const cuts = cutsOf(wide, 'a', square(50), 8, { ...settings, crop: 'random', crops: 2, flip: true });
    expect(cuts.map((cut) => cut.mirrored)).toEqual([false, true, false, true]);
    for (const cut of cuts) expect(shownCorner(cut)).toEqual([cut.mirrored ? 50 - cut.left : cut.left, 0]);
  });
});
