import type { BaseVae } from './base.ts';

/** Latent positions a side up to whose square the VAE runs a picture whole: 1024 x 1024 pixels of SDXL. Tiles have this side. */
export const tileSide = 128;

/** Least share of a tile's side that it has in common with its neighbour. */
const leastOverlap = 1 / 4;

/** Where a picture is cut along one axis. */
export interface Cuts {
  /** Positions of each tile. */
  readonly length: number;
  readonly starts: readonly number[];
}

/** How a picture is cut into tiles of one size that overlap, in latent positions. */
export interface Tiling {
  readonly rows: Cuts;
  readonly columns: Cuts;
}

/** @returns `undefined` for a picture that is run whole */
export function tilesOf(height: number, width: number, side = tileSide): Tiling | undefined {
  if (height * width <= side * side) return undefined;
  return { rows: cutsOf(height, side), columns: cutsOf(width, side) };
}

/**
 * How a direction of the VAE cuts a picture: one that was exported for a single size runs it whole.
 * @returns `undefined` for a picture that is run whole
 */
export const tilingFor = ({ input }: BaseVae, height: number, width: number, side?: number) =>
  input.dims.slice(2).every((dim) => dim === undefined) ? tilesOf(height, width, side) : undefined;

/** As few tiles as overlap enough, evenly spread. */
function cutsOf(size: number, side: number): Cuts {
  const length = Math.min(size, side);
  if (length === size) return { length, starts: [0] };
  const overlap = Math.ceil(side * leastOverlap);
  const count = Math.ceil((size - overlap) / (side - overlap));
  const step = (size - length) / (count - 1);
  return { length, starts: Array.from({ length: count }, (_, i) => Math.round(i * step)) };
}

/**
 * Shares of each tile in the result along one axis, f32[length] each: they rise and fall in straight lines where tiles
 * overlap, and sum to 1 at every position.
 * @param scale positions of the result per latent position
 */
export function sharesOf({ length, starts }: Cuts, scale: number): Float32Array[] {
  const n = length * scale;
  const at = starts.map((start) => start * scale);
  const shares = at.map((start, k) => {
    const before = k === 0 ? 0 : at[k - 1]! + n - start;
    const after = k === at.length - 1 ? 0 : start + n - at[k + 1]!;
    return Float32Array.from({ length: n }, (_, i) => {
      const rise = before === 0 ? 1 : (i + 0.5) / before;
      const fall = after === 0 ? 1 : (n - i - 0.5) / after;
      return Math.min(1, rise, fall);
    });
  });
  const sums = new Float32Array(at.at(-1)! + n);
  for (const [k, share] of shares.entries()) for (let i = 0; i < n; i++) sums[at[k]! + i]! += share[i]!;
  for (const [k, share] of shares.entries()) for (let i = 0; i < n; i++) share[i]! /= sums[at[k]! + i]!;
  return shares;
}

/** The part of planes [channels, ., width] from a corner on, [channels, rows, columns]. */
export function cutOut(
  data: Float32Array,
  channels: number,
  [height, width]: readonly [number, number],
  [top, left]: readonly [number, number],
  [rows, columns]: readonly [number, number],
): Float32Array {
  const out = new Float32Array(channels * rows * columns);
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < rows; y++) {
      const from = (c * height + top + y) * width + left;
      out.set(data.subarray(from, from + columns), (c * rows + y) * columns);
    }
  return out;
}

/** Adds a tile to planes [channels, height, width] by its shares in rows and columns. */
export function layIn(
  into: Float32Array,
  channels: number,
  [height, width]: readonly [number, number],
  [top, left]: readonly [number, number],
  tile: Float32Array,
  rows: Float32Array,
  columns: Float32Array,
): void {
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < rows.length; y++) {
      const to = (c * height + top + y) * width + left;
      const from = (c * rows.length + y) * columns.length;
      for (let x = 0; x < columns.length; x++) into[to + x]! += rows[y]! * columns[x]! * tile[from + x]!;
    }
}
