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
