import uPlot from 'uplot';

/** Numbers along an axis. */
export type Numbers = Float32Array | readonly number[];

/** How a line is drawn. */
export interface ChartLine {
  readonly id: string;
  readonly label: string;
  readonly y: Numbers;
  /** A theme colour such as `charts-blue`. */
  readonly color: string;
  readonly style: 'faint' | 'strong' | 'dashed' | 'points';
  /** Lines of one axis share their range. */
  readonly axis: 'left' | 'right';
}

/** Lines over the same places. */
export interface ChartTable {
  readonly x: Numbers;
  readonly lines: readonly ChartLine[];
}

/** A stretch of the x axis. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** All tables over one x, as the plot takes them; on a logarithmic axis only positive values have a place. */
export function aligned(tables: readonly ChartTable[], logarithmic: boolean): uPlot.AlignedData {
  const columns = tables
    .filter(({ lines }) => lines.length > 0)
    .map(({ x, lines }) => [
      x,
      ...lines.map(({ y, axis }) =>
        logarithmic && axis === 'left' ? Array.from(y, (value) => (value > 0 ? value : null)) : y,
      ),
    ]) as unknown as uPlot.AlignedData[];
  if (columns.length === 0) return [[]];
  return columns.length === 1 ? columns[0]! : uPlot.join(columns);
}

/** A part of a range around a place in it, `factor` times as long, kept inside the whole. */
export function zoomed(now: Range, whole: Range, factor: number, around = (now.from + now.to) / 2): Range {
  const length = (now.to - now.from) * factor;
  if (length >= whole.to - whole.from) return whole;
  const share = (around - now.from) / (now.to - now.from || 1);
  return shifted({ from: around - share * length, to: around + (1 - share) * length }, whole, 0);
}

/** A range moved by `by`, kept inside the whole. */
export function shifted(now: Range, whole: Range, by: number): Range {
  const length = Math.min(now.to - now.from, whole.to - whole.from);
  const from = Math.min(whole.to - length, Math.max(whole.from, now.from + by));
  return { from, to: from + length };
}
