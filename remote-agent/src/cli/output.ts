import { SingleBar } from 'cli-progress';
import colors from 'picocolors';

/** Whether the terminal can redraw a line. */
const interactive = () => process.stdout.isTTY === true;

/** One line for a person. */
export const say = (line = ''): void => {
  process.stdout.write(`${line}\n`);
};

/** Emphasis that honours NO_COLOR and pipes. */
export const { bold, dim, green, red, yellow } = colors;

/** Seconds as `1:05` or `1:02:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Bytes as `312 KB`, `1.2 MB` or `6.9 GB`. */
export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  if (n < 1e6) return `${Math.round(n / 1000)} KB`;
  return n < 1e9 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e9).toFixed(1)} GB`;
}

/** Says that a large file is read in full, which takes its time. */
export function tellReading(file: string, size: number): void {
  if (size > 1e9) say(dim(`reading ${file} (${bytes(size)}) for its hashes`));
}

/** Progress of one phase: a bar on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #label: string;
  readonly #total: number;
  readonly #bar: SingleBar | undefined;
  readonly #start = Date.now();
  readonly #first: number;
  #lastLine = 0;
  #value: number;
  #note = '';

  constructor(
    label: string,
    total: number,
    from = 0,
    readonly unit = 'steps',
  ) {
    this.#label = label;
    this.#total = total;
    this.#first = from;
    this.#value = from;
    if (!interactive()) return;
    this.#bar = new SingleBar({
      format: `${label} {bar} {count} {note}`,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 24,
      hideCursor: true,
      stopOnComplete: false,
    });
    this.#bar.start(total, from, { note: '', count: this.#count() });
  }

  update(value: number, note = ''): void {
    this.#value = value;
    const seconds = (Date.now() - this.#start) / 1000;
    const rate = (value - this.#first) / seconds;
    // The first moments tell nothing of the rate.
    const speed =
      seconds > 0.3 && rate > 0
        ? `${this.unit === 'bytes' ? bytes(Math.round(rate)) : `${rate.toFixed(1)} ${this.unit}`}/s  ${duration((this.#total - value) / rate)} left`
        : '';
    this.#note = [note, speed].filter(Boolean).join('  ');
    if (this.#bar) this.#bar.update(value, { note: this.#note, count: this.#count() });
    else if (Date.now() - this.#lastLine > 5000 || value === this.#total) {
      this.#lastLine = Date.now();
      say(`${this.#label} ${this.#count()}  ${this.#note}`);
    }
  }

  #count(): string {
    if (this.unit !== 'bytes') return `${this.#value}/${this.#total}`;
    return `${bytes(this.#value)}${this.#total > 0 ? ` of ${bytes(this.#total)}` : ''}`;
  }

  /** A line of its own; the bar goes on below it. */
  say(line: string): void {
    this.#bar?.stop();
    say(line);
    this.#bar?.start(this.#total, this.#value, { note: this.#note, count: this.#count() });
  }

  stop(): void {
    this.#bar?.stop();
  }
}

/** A small chart of a series in a terminal, `height` rows of `width` columns (means of equal parts). */
export function chart(values: readonly number[], width = 64, height = 8): string {
  const columns = Math.min(width, values.length);
  const means = Array.from({ length: columns }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / columns),
      Math.floor(((i + 1) * values.length) / columns),
    );
    return part.reduce((a, b) => a + b, 0) / part.length;
  });
  const low = Math.min(...means);
  const high = Math.max(...means);
  const span = high - low || 1;
  const blocks = ' ▁▂▃▄▅▆▇█';
  const rows: string[] = [];
  for (let row = height - 1; row >= 0; row--) {
    const line = means.map(
      (v) => blocks[Math.max(0, Math.min(8, Math.round((((v - low) / span) * height - row) * 8)))]!,
    );
    const label = row === height - 1 ? high.toFixed(4) : row === 0 ? low.toFixed(4) : '';
    rows.push(`${label.padStart(8)} │${line.join('')}`);
  }
  return rows.join('\n');
}
