import type uPlot from 'uplot';
import { isHighContrast, themeColor } from '../theme.ts';
import type { ChartLine } from './data.ts';

export interface Look {
  readonly lines: readonly ChartLine[];
  readonly logarithmic: boolean;
  readonly xLabel: string;
}

/** A number for people: four digits, small ones by their power of ten. */
export const shortNumber = (value: number): string => {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace('e+', 'e');
  return String(Number(value.toPrecision(4)));
};

/** Distances of marks of what is counted: there is no half step. */
const wholeSteps = Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((n) => n * 10 ** power)).flat();

/** Lines, axes and scales in the colours of the theme. */
export function lookOf({
  lines,
  logarithmic,
  xLabel,
}: Look): Pick<uPlot.Options, 'series' | 'axes' | 'scales'> {
  const plain = isHighContrast();
  const text = themeColor('foreground', '#888');
  const rule = plain ? 'rgba(128, 128, 128, 0.5)' : 'rgba(128, 128, 128, 0.18)';
  const family = themeColor('font-family', 'sans-serif');
  const axis = { stroke: text, font: `11px ${family}`, labelFont: `11px ${family}`, labelSize: 18 };
  const lined = { grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1, size: 4 } };
  const values = (_: uPlot, marks: number[]) => marks.map((mark) => (mark === null ? '' : shortNumber(mark)));
  return {
    series: [{ label: xLabel }, ...lines.map((line) => seriesOf(line, plain))],
    scales: {
      x: { time: false },
      left: { distr: logarithmic ? 3 : 1 },
      right: {},
    },
    axes: [
      { ...axis, ...lined, label: xLabel, size: 30, incrs: wholeSteps },
      { ...axis, ...lined, scale: 'left', size: 56, values },
      {
        ...axis,
        ...{ scale: 'right', side: 1, size: 60, values, grid: { show: false } },
        show: lines.some((line) => line.axis === 'right'),
      },
    ],
  };
}

function seriesOf({ label, color, style, axis }: ChartLine, plain: boolean): uPlot.Series {
  const stroke = themeColor(color, '#3794ff');
  const width = (style === 'faint' ? 1 : 2) + (plain ? 0.5 : 0);
  return {
    label,
    stroke,
    width,
    scale: axis,
    alpha: style === 'faint' && !plain ? 0.4 : 1,
    points: style === 'points' ? { show: true, size: 6, fill: stroke, stroke } : { show: false },
    ...(style === 'dashed' || (plain && style === 'faint') ? { dash: [6, 4] } : {}),
  };
}
