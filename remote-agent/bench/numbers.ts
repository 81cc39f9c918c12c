/** The middle value; the upper one of two. */
export const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Megabytes for a table. */
export const megabytes = (bytes: number) => (bytes === 0 ? 'not told' : (bytes / 1e6).toFixed(0));

/** Values that vary along a tensor, for feeds whose content does not matter. */
export const wave = (length: number, scale: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 0.37 + 1) * scale);

/** What nine of ten values exceed. */
export const tenth = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 10)]!;

/**
 * Norm of the difference by the norm of what is right.
 * @param pairs what was found and what is right, vectors of one length
 */
export function differenceByNorm(
  pairs: Iterable<readonly [found: ArrayLike<number>, right: ArrayLike<number>]>,
): number {
  let [off, whole] = [0, 0];
  for (const [found, right] of pairs)
    for (let i = 0; i < right.length; i++) {
      off += (right[i]! - found[i]!) ** 2;
      whole += right[i]! ** 2;
    }
  return Math.sqrt(off / whole);
}
