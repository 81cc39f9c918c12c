import type { GrowthRow } from './growth.ts';

/** The straight line of least squares, and which share of the variance it explains. */
export function straightLine(
  x: readonly number[],
  y: readonly number[],
): { slope: number; start: number; explained: number } {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const spread = x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
  const slope = x.reduce((sum, value, i) => sum + (value - mx) * (y[i]! - my), 0) / spread;
  const start = my - slope * mx;
  const off = y.reduce((sum, value, i) => sum + (value - start - slope * x[i]!) ** 2, 0);
  const all = y.reduce((sum, value) => sum + (value - my) ** 2, 0);
  return { slope, start, explained: all === 0 ? 1 : 1 - off / all };
}

interface Series {
  readonly name: string;
  readonly style: string;
  readonly values: readonly number[];
}

interface Panel {
  readonly title: string;
  readonly left: number;
  readonly series: readonly Series[];
}

const [width, height, top, between] = [250, 220, 64, 105] as const;

/** A round number above all values, and steps to it. */
function scale(most: number): { end: number; step: number } {
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [0.2, 0.25, 0.5, 1, 2, 2.5].map((x) => x * power).find((x) => most / x <= 5)!;
  return { end: Math.ceil(most / step) * step, step };
}

const short = (value: number) => (value >= 1000 ? value.toLocaleString('en-US') : String(+value.toFixed(2)));

function panel({ title, left, series }: Panel, x: readonly number[]): string {
  const { end, step } = scale(Math.max(...series.flatMap(({ values }) => values)));
  const across = scale(Math.max(...x));
  const px = (value: number) => (left + (value / across.end) * width).toFixed(1);
  const py = (value: number) => (top + height - (value / end) * height).toFixed(1);
  const out = [`<text x="${left}" y="${top - 18}" class="t">${title}</text>`];
  for (let at = 0; at <= end + step / 2; at += step) {
    out.push(`<path d="M${left} ${py(at)}h${width}" class="g"/>`);
    out.push(`<text x="${left - 8}" y="${Number(py(at)) + 4}" class="s e">${short(at)}</text>`);
  }
  for (let at = 0; at <= across.end; at += across.step)
    out.push(`<text x="${px(at)}" y="${top + height + 20}" class="s m">${at}</text>`);
  out.push(`<text x="${left + width / 2}" y="${top + height + 42}" class="s m">transformer blocks</text>`);
  for (const { name, style, values } of series) {
    const line = straightLine(x, values);
    const [from, to] = [x[0]!, x.at(-1)!];
    const on = (value: number) => `${px(value)} ${py(line.start + line.slope * value)}`;
    out.push(`<path d="M${on(from)}L${on(to)}" class="l ${style}"/>`);
    for (let i = 0; i < x.length; i++)
      out.push(`<circle cx="${px(x[i]!)}" cy="${py(values[i]!)}" r="3.5" class="p ${style}"/>`);
    out.push(
      `<text x="${Number(px(to)) + 8}" y="${Number(py(values.at(-1)!)) + 4}" class="s">${name}</text>`,
    );
  }
  return out.join('\n');
}

/** An SVG of nodes, bytes and planning time against depth: points as measured, lines of least squares; for light and dark. */
export function growthPlot(rows: readonly GrowthRow[]): string {
  const series = (name: string, style: string, pick: (row: GrowthRow) => number) => {
    return { name, style, values: rows.map(pick) };
  };
  const left = (panel: number) => 70 + panel * (width + between);
  const all: Panel[] = [
    {
      ...{ title: 'operators in the graph', left: left(0) },
      series: [
        series('lean', 'a', (row) => row.leanNodes),
        series('fast', 'b', (row) => row.fastNodes),
        series('U-Net', 'c', (row) => row.forwardNodes),
      ],
    },
    {
      ...{ title: 'megabytes without weights', left: left(1) },
      series: [
        series('lean', 'a', (row) => row.leanBytes / 1e6),
        series('fast', 'b', (row) => row.fastBytes / 1e6),
      ],
    },
    {
      ...{ title: 'processor seconds of planning, lean', left: left(2) },
      series: [
        series('both', 'a', (row) => (row.buildMs + row.sessionMs) / 1000),
        series('load', 'b', (row) => row.sessionMs / 1000),
        series('build', 'c', (row) => row.buildMs / 1000),
      ],
    },
  ];
  const x = rows.map((row) => row.blocks);
  // Time is left out where it was not measured.
  const panels = all.slice(0, rows.every((row) => row.sessionMs > 0) ? 3 : 2);
  const whole = left(panels.length) - 20;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${whole} 350" role="img" aria-labelledby="title">
<title id="title">How operators and bytes of the step graph and the time of planning grow with the number of transformer blocks</title>
<style>
svg { --paper: #ffffff; --ink: #1f2328; --soft: #57606a; --grid: #d0d7de; --a: #0969da; --b: #bc4c00; --c: #1a7f37 }
@media (prefers-color-scheme: dark) {
svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1; --grid: #30363d; --a: #58a6ff; --b: #f0883e; --c: #3fb950 }
}
.paper { fill: var(--paper); stroke: var(--grid) }
text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink) }
.t { font-size: 14px; font-weight: 600 }
.s { font-size: 12px; fill: var(--soft) }
.m { text-anchor: middle }
.e { text-anchor: end }
.g { stroke: var(--grid) }
.l { fill: none; stroke-width: 1.5; stroke-dasharray: 5 4 }
.l.a { stroke: var(--a) } .l.b { stroke: var(--b) } .l.c { stroke: var(--c) }
.p.a { fill: var(--a) } .p.b { fill: var(--b) } .p.c { fill: var(--c) }
</style>
<rect x="0.5" y="0.5" width="${whole - 1}" height="349" rx="10" class="paper"/>
${panels.map((one) => panel(one, x)).join('\n')}
</svg>
`;
}
