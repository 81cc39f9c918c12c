import { lowerBound } from './columns.ts';

/** Which rows show a stretch of a column of steps. */
export interface Thinned {
  /** Indices of rows, growing. */
  readonly rows: Uint32Array;
  /** Whether rows in between are left out. */
  readonly thinned: boolean;
}

/**
 * Rows that draw `values` between two steps with at most about `points` points: all of them, or of each of equally
 * many rows the lowest and the highest, so that no peak is lost. One row before and one after the stretch are there
 * too: lines go on to the edge.
 * @param steps grow
 */
export function thin(
  steps: Float64Array,
  values: Float64Array,
  points: number,
  from = Number.NEGATIVE_INFINITY,
  to = Number.POSITIVE_INFINITY,
): Thinned {
  const first = Math.max(0, lowerBound(steps, from) - 1);
  const beyond = lowerBound(steps, to);
  const end = Math.min(steps.length, beyond + (steps[beyond] === to ? 2 : 1));
  const count = Math.max(0, end - first);
  if (count <= points)
    return { rows: Uint32Array.from({ length: count }, (_, i) => first + i), thinned: false };
  const buckets = Math.max(1, Math.floor(points / 2));
  const rows: number[] = [];
  const push = (row: number) => {
    if (rows.at(-1) !== row) rows.push(row);
  };
  push(first);
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = first + Math.floor((bucket * count) / buckets);
    const stop = first + Math.floor(((bucket + 1) * count) / buckets);
    let low = start;
    let high = start;
    for (let row = start + 1; row < stop; row++) {
      if (values[row]! < values[low]!) low = row;
      if (values[row]! > values[high]!) high = row;
    }
    push(Math.min(low, high));
    push(Math.max(low, high));
  }
  push(end - 1);
  return { rows: Uint32Array.from(rows), thinned: true };
}
