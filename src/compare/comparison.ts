import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import type { GenerationProgress } from '../../remote-agent/src/protocol/contract/generation.ts';
import type { Cell, ComparisonView, DrawSettings } from '../../webview/contract/compare.ts';
import { Drawer, type Wanted } from './drawer.ts';
import {
  type ColumnModel,
  type ComparisonState,
  type Drawing,
  drawingOf,
  keyOf,
  labelsOf,
  type Place,
  type RowModel,
  remembered,
  seedOf,
} from './model.ts';
import type { PaintHooks } from './painter.ts';
import type { PictureCache } from './picture-cache.ts';

/** Where a cell is. */
interface At {
  readonly column: string;
  readonly row: string;
}

export interface ComparisonHooks {
  readonly cache: PictureCache;
  /** Pictures drawn partly, which nobody keeps. */
  readonly previews: PictureCache;
  place(place: Place): Promise<Place>;
  paint(drawing: Drawing, beside: readonly Drawing['adapters'][], hooks: PaintHooks): Promise<Uint8Array>;
  previewEvery(): number;
  /** What a view loads a file by. */
  sourceOf(path: string): string;
  /** A failure, or why it waits, in words. */
  describe(cause: unknown): string;
  describeProgress(progress: GenerationProgress['progress']): string | undefined;
  describeSteps(steps: number): string;
  onView(): void;
  onCell(cell: Cell): void;
  save(state: ComparisonState): void;
}

/** What is known of a picture that is drawn now. */
interface Progress {
  readonly step?: number;
  readonly note?: string;
  readonly preview?: string;
}

/** A comparison as it is: columns, rows, settings, and the pictures that come of them. */
export class Comparison {
  #state: ComparisonState;
  readonly #drawer: Drawer<At>;
  readonly #problems = new Map<string, string>();
  /** The last picture of each cell: shown until there is another. */
  readonly #before = new Map<string, string>();
  #progress: Progress = {};
  #placing: { readonly of: Place; readonly found: Promise<Place> } | undefined;
  #problem: string | undefined;
  #drawn = 0;

  /** @param paused nothing is drawn before somebody wants it */
  constructor(
    state: ComparisonState,
    readonly hooks: ComparisonHooks,
    paused: boolean,
  ) {
    this.#state = state;
    this.#drawer = new Drawer<At>(
      {
        wanted: () => this.#wanted(),
        has: (key) => hooks.cache.has(key),
        draw: (one, signal) => this.#draw(one, signal),
        onEnd: (one, failure) => this.#ended(one, failure),
      },
      paused,
    );
    for (const { place, key } of this.#wanted()) if (hooks.cache.has(key)) this.#before.set(id(place), key);
  }

  get state(): ComparisonState {
    return this.#state;
  }
  get paused(): boolean {
    return this.#drawer.paused;
  }
  get problem(): string | undefined {
    return this.#problem;
  }
  /** Draws what is missing. */
  start(): void {
    this.#forgetFailures();
    this.#drawer.start();
    this.#remember();
    this.hooks.onView();
  }

  #forgetFailures(): void {
    this.#problem = undefined;
    this.#placing = undefined;
    this.#problems.clear();
    this.#drawer.forgetFailures();
  }

  pause(): void {
    this.#drawer.pause();
    this.hooks.onView();
  }

  /** Changes what is compared; what is stale is broken off. */
  change(part: Partial<Pick<ComparisonState, 'columns' | 'rows' | 'settings' | 'place'>>): void {
    this.#state = { ...this.#state, ...part };
    if (part.place) this.#forgetFailures();
    this.#drawer.update();
    this.#remember();
    this.hooks.save(this.#state);
    this.hooks.onView();
  }

  setSettings(part: Partial<DrawSettings>): void {
    this.change({ settings: { ...this.#state.settings, ...part } });
  }
  setColumn(column: string, part: Partial<ColumnModel>): void {
    this.change({
      columns: this.#state.columns.map((one) => (one.id === column ? { ...one, ...part } : one)),
    });
  }
  setRow(row: string, part: Partial<RowModel>): void {
    this.change({ rows: this.#state.rows.map((one) => (one.id === row ? { ...one, ...part } : one)) });
  }

  /** The picture that a cell is to show. */
  drawingAt(at: At): Drawing | undefined {
    const column = this.#state.columns.find((one) => one.id === at.column);
    const row = this.#state.rows.find((one) => one.id === at.row);
    return column && row && drawingOf(this.#state, column, row);
  }

  /** The picture of a cell, where it is there. */
  pictureOf(at: At): { readonly path: string; readonly drawing: Drawing } | undefined {
    const drawing = this.drawingAt(at);
    if (!drawing) return undefined;
    const key = keyOf(drawing);
    return this.hooks.cache.has(key) ? { path: this.hooks.cache.pathOf(key), drawing } : undefined;
  }

  #wanted(): Wanted<At>[] {
    const { rows, columns } = this.#state;
    return rows.flatMap((row) =>
      columns.flatMap((column) => {
        const drawing = drawingOf(this.#state, column, row);
        return drawing ? [{ place: { column: column.id, row: row.id }, key: keyOf(drawing) }] : [];
      }),
    );
  }

  async #draw({ place: at, key }: Wanted<At>, signal: AbortSignal): Promise<void> {
    const { hooks } = this;
    this.#progress = {};
    this.#tell(at);
    if (this.#state.place.baseHash === undefined) {
      // With the base's content known the picture has another name: it is begun under that.
      await this.#findPlace(signal);
      return;
    }
    const drawing = this.drawingAt(at);
    if (!drawing) return;
    const beside = this.#wanted().map(({ place }) => this.drawingAt(place)?.adapters ?? []);
    const unique = [...new Map(beside.map((list) => [list.map(({ hash }) => hash).join(), list])).values()];
    const previews: string[] = [];
    try {
      const png = await hooks.paint(drawing, unique, {
        signal,
        previewEvery: hooks.previewEvery(),
        onProgress: (progress) => {
          const note = hooks.describeProgress(progress);
          const step = progress.at === 'step' ? progress.step : this.#progress.step;
          const { preview } = this.#progress;
          this.#progress = {
            ...(step === undefined ? {} : { step }),
            ...(note === undefined ? {} : { note }),
            ...(preview === undefined ? {} : { preview }),
          };
          if (!signal.aborted) this.#tell(at);
        },
        onPreview: (preview, step) => {
          if (signal.aborted) return;
          const name = `${key.slice(0, 16)}-${Date.now()}-${step}`;
          previews.push(name);
          this.#progress = { ...this.#progress, preview: hooks.previews.put(name, preview) };
          this.#tell(at);
        },
      });
      hooks.cache.put(key, png);
    } finally {
      for (const name of previews) await rm(hooks.previews.pathOf(name), { force: true });
    }
  }

  /** Asks once for a place: where it cannot be reached, no picture tries again before somebody wants it. */
  async #findPlace(signal: AbortSignal): Promise<void> {
    const wanted = this.#state.place;
    if (this.#placing?.of !== wanted) this.#placing = { of: wanted, found: this.hooks.place(wanted) };
    const place = await unless(signal, this.#placing.found);
    if (this.#state.place !== wanted) return;
    this.#state = { ...this.#state, place };
    this.hooks.save(this.#state);
    this.hooks.onView();
  }

  #ended({ place: at, key }: Wanted<At>, failure?: unknown): void {
    this.#progress = {};
    if (failure !== undefined) {
      this.#problems.set(key, this.hooks.describe(failure));
      if (this.#state.place.baseHash === undefined) this.#problem = this.hooks.describe(failure);
    } else if (this.hooks.cache.has(key)) {
      this.#before.set(id(at), key);
      this.#remember();
      this.hooks.save(this.#state);
      if (++this.#drawn % 50 === 0) void this.trim();
    }
    this.hooks.onView();
  }

  /** Puts the picture that is shown at the head of the history, drawn now or earlier. */
  #remember(): void {
    if (this.#state.mode !== 'generate') return;
    for (const { place, key } of this.#wanted())
      if (this.hooks.cache.has(key)) this.#state = remembered(this.#state, this.drawingAt(place)!);
  }

  /** Keeps the cache small; pictures that are shown stay. */
  async trim(): Promise<void> {
    const shown = [...this.#wanted().map(({ key }) => key), ...this.#state.history.map(keyOf)];
    await this.hooks.cache.trim(new Set(shown));
  }

  #tell(at: At): void {
    this.hooks.onCell(this.#cell(at));
  }

  #cell(at: At): Cell {
    const drawing = this.drawingAt(at);
    const place = { column: at.column, row: at.row };
    const before = this.#before.get(id(at));
    const old = before && this.hooks.cache.has(before) ? this.#source(before) : undefined;
    const shown = old === undefined ? {} : { source: old };
    if (!drawing) return { ...place, state: 'missing' };
    const key = keyOf(drawing);
    if (this.hooks.cache.has(key)) {
      this.#before.set(id(at), key);
      return { ...place, state: 'done', source: this.#source(key) };
    }
    if (this.#drawer.current?.key === key) {
      const { step, note, preview } = this.#progress;
      return {
        ...{ ...place, state: 'drawing', steps: drawing.settings.steps, ...shown },
        ...(preview === undefined ? {} : { source: this.hooks.sourceOf(preview) }),
        ...(step === undefined ? {} : { step }),
        ...(note === undefined ? {} : { note }),
      };
    }
    if (this.#drawer.hasFailed(key))
      return { ...place, state: 'failed', problem: this.#problems.get(key) ?? '', ...shown };
    return { ...place, state: this.#drawer.paused ? 'missing' : 'waiting', ...shown };
  }

  readonly #source = (key: string) => this.hooks.sourceOf(this.hooks.cache.pathOf(key));

  /** Everything of it that a view shows. */
  view(): Pick<ComparisonView, 'columns' | 'rows' | 'cells' | 'history' | 'canPin'> {
    const { columns, rows, history } = this.#state;
    const labels = labelsOf(columns, this.hooks.describeSteps);
    return {
      columns: columns.map(({ adapter: _, ...column }, i) => ({ ...column, label: labels[i]! })),
      rows: rows.map((row) => ({
        ...{ id: row.id, text: row.text, seed: seedOf(this.#state, row) },
        ...(row.problem === undefined ? {} : { problem: row.problem }),
      })),
      cells: rows.flatMap((row) => columns.map((column) => this.#cell({ column: column.id, row: row.id }))),
      history: history.flatMap((drawing) => {
        const key = keyOf(drawing);
        if (!this.hooks.cache.has(key)) return [];
        return [{ key, source: this.#source(key), prompt: drawing.prompt, seed: drawing.settings.seed }];
      }),
      canPin: columns.some(({ adapter }) => adapter?.run !== undefined),
    };
  }

  dispose(): void {
    this.#drawer.pause();
  }
}

/** Waits for something for as long as it is wanted. */
const unless = <T>(signal: AbortSignal, work: Promise<T>): Promise<T> =>
  Promise.race([
    work,
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    }),
  ]);

const id = ({ column, row }: At) => `${column} ${row}`;

/** Name of a picture's file where it is pinned or saved. */
export const fileNameOf = ({ prompt, settings, adapters }: Drawing): string => {
  const words =
    prompt
      .replace(/[^\w]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 40) || 'picture';
  const applied = adapters
    .map(({ name, strength }) => `-${basename(name).slice(0, 30)}-${strength}`)
    .join('');
  return `${words}${applied}-${settings.seed}.png`.replace(/[^\w.-]+/g, '_');
};
