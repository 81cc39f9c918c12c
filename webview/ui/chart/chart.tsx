import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { t } from '../l10n.ts';
import { appearances, themeChanges, themeColor } from '../theme.ts';
import { aligned, type ChartTable, type Range, shifted, zoomed } from './data.ts';
import { lookOf, shortNumber } from './options.ts';

interface ChartProps {
  /** What it shows, in a sentence. */
  readonly label: string;
  readonly xLabel: string;
  readonly tables: readonly ChartTable[];
  readonly logarithmic: boolean;
  readonly height: number;
  /** All there is to see along x. */
  readonly whole: Range;
  /** What is seen of it; all where left out. */
  readonly range: Range | undefined;
  readonly onRange: (range: Range | undefined) => void;
  /** Handed a function that draws the chart as a picture. */
  readonly onReady?: (picture: () => HTMLCanvasElement) => void;
}

/**
 * Lines over steps. Drag marks what to look at, Ctrl with the wheel goes nearer, the wheel sideways along it; by
 * keyboard the arrows read values, + and - go nearer and away, Page Up and Down along it, Home shows all.
 */
export function Chart(props: ChartProps) {
  const { label, xLabel, tables, logarithmic, height, whole, range } = props;
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const [hovered, setHovered] = useState<number | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const lines = tables.flatMap((table) => table.lines);
  const structure = JSON.stringify(
    lines.map(({ id, label: name, color, style, axis }) => [id, name, color, style, axis]),
  );
  const data = aligned(tables, logarithmic);
  const now = range ?? whole;

  useEffect(() => {
    const element = frame.current!;
    const made = new uPlot(
      {
        width: Math.max(50, element.clientWidth),
        height,
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
        ...lookOf({ lines, logarithmic, xLabel }),
        hooks: {
          setCursor: [(u) => setHovered(u.cursor.idx ?? null)],
          setSelect: [(u) => select(u, latest.current)],
        },
      },
      data,
      element,
    );
    plot.current = made;
    props.onReady?.(() => pictureOf(made));
    const observer = new ResizeObserver(() =>
      made.setSize({ width: Math.max(50, element.clientWidth), height }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [structure, logarithmic, height, themeChanges.value, appearances.value]);

  useEffect(() => {
    plot.current?.batch(() => {
      plot.current!.setData(data, false);
      plot.current!.setScale('x', { min: now.from, max: Math.max(now.to, now.from + 1) });
    });
  });

  const move = (next: Range) => {
    const all = next.from <= whole.from && next.to >= whole.to;
    props.onRange(all ? undefined : next);
  };
  const read = (by: number) => {
    const count = data[0].length;
    if (count === 0) return;
    const index = Math.min(count - 1, Math.max(0, (hovered ?? (by > 0 ? -1 : count)) + by));
    plot.current!.setCursor({ left: plot.current!.valToPos(data[0][index]!, 'x'), top: 10 });
  };
  const page = (now.to - now.from) / 2;
  const keys: Record<string, () => void> = {
    ArrowLeft: () => read(-1),
    ArrowRight: () => read(1),
    '+': () => move(zoomed(now, whole, 0.5)),
    '=': () => move(zoomed(now, whole, 0.5)),
    '-': () => move(zoomed(now, whole, 2)),
    PageUp: () => move(shifted(now, whole, -page)),
    PageDown: () => move(shifted(now, whole, page)),
    Home: () => props.onRange(undefined),
  };
  return (
    <figure class="ui-chart">
      <div
        ref={frame}
        class="ui-chart-plot"
        role="img"
        aria-label={label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: values are read and the range is moved by keys
        tabIndex={0}
        style={{ height: `${height}px` }}
        onDblClick={() => props.onRange(undefined)}
        onWheel={(event) => {
          const along = event.deltaX + (event.shiftKey ? event.deltaY : 0);
          if (!event.ctrlKey && along === 0) return;
          event.preventDefault();
          const width = frame.current!.clientWidth;
          if (!event.ctrlKey) return move(shifted(now, whole, (along / width) * (now.to - now.from)));
          const left = event.clientX - plot.current!.over.getBoundingClientRect().left;
          move(zoomed(now, whole, event.deltaY > 0 ? 1.25 : 0.8, plot.current!.posToVal(left, 'x')));
        }}
        onKeyDown={(event) => {
          const act = keys[event.key];
          if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
          event.preventDefault();
          act();
        }}
      />
      <figcaption class="ui-legend" aria-live="polite">
        {hovered !== null && data[0][hovered] !== undefined && (
          <span class="ui-legend-x">{t('{0} {1}', xLabel, data[0][hovered]!)}</span>
        )}
        {lines.map((line, i) => {
          const value = hovered === null ? undefined : data[i + 1]?.[hovered];
          return (
            <span key={line.id}>
              <i data-style={line.style} style={{ borderColor: `var(--vscode-${line.color})` }} />
              {line.label}
              {typeof value === 'number' && <b>{shortNumber(value)}</b>}
            </span>
          );
        })}
      </figcaption>
    </figure>
  );
}

function select(plot: uPlot, { whole, onRange }: ChartProps): void {
  const { left, width } = plot.select;
  if (width < 4) return;
  const [from, to] = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')];
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  onRange({ from: Math.max(whole.from, from), to: Math.min(whole.to, Math.max(to, from + 1)) });
}

/** The plot on the editor's background, its lines named below it as they are drawn. */
function pictureOf(plot: uPlot): HTMLCanvasElement {
  const { canvas } = plot.ctx;
  const scale = devicePixelRatio;
  const [left, sample, row] = [12 * scale, 18 * scale, 20 * scale];
  const font = `${12 * scale}px ${themeColor('font-family', 'sans-serif')}`;
  plot.ctx.save();
  plot.ctx.font = font;
  let [at, rows] = [left, 1];
  const names = plot.series.slice(1).map((series) => {
    const text = String(series.label);
    const width = sample + 5 * scale + plot.ctx.measureText(text).width;
    // A line too long for what is left of a row begins the next.
    if (at > left && at + width > canvas.width) [at, rows] = [left, rows + 1];
    const place = { series, text, x: at, y: canvas.height + rows * row - 6 * scale };
    at += width + 18 * scale;
    return place;
  });
  plot.ctx.restore();
  const picture = document.createElement('canvas');
  picture.width = canvas.width;
  picture.height = canvas.height + rows * row + 8 * scale;
  const context = picture.getContext('2d')!;
  context.fillStyle = themeColor('editor-background', '#fff');
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(canvas, 0, 0);
  context.font = font;
  for (const { series, text, x, y } of names) {
    const { stroke, width = 1, dash = [], alpha = 1 } = series;
    context.globalAlpha = alpha;
    context.strokeStyle = typeof stroke === 'function' ? String(stroke(plot, 0)) : String(stroke);
    context.lineWidth = width * scale;
    context.setLineDash(dash.map((part) => part * scale));
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + sample, y);
    context.stroke();
    context.globalAlpha = 1;
    context.fillStyle = themeColor('foreground', '#000');
    context.fillText(text, x + sample + 5 * scale, y + 4 * scale);
  }
  return picture;
}
