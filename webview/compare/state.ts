import { effect, signal } from '@preact/signals';
import { type Cell, type ComparisonView, compareContract, type DrawSettings } from '../contract/compare.ts';
import type { Params, RequestName } from '../contract/kernel.ts';
import { connect, uiState } from '../ui/host.ts';

/** Where one looks: outlives hiding and reloading. */
interface Ui {
  /** Asked for when the window is loaded again: which comparison this tab is. */
  readonly id: string;
  /** All pictures beside each other, two on one place, or how they differ. */
  readonly layout: 'grid' | 'swipe' | 'difference';
  /** Width of the pictures of the grid, in pixels; 0: as wide as there is room. */
  readonly width: number;
  /** Columns that swipe and difference hold against each other. */
  readonly left: string;
  readonly right: string;
  readonly more: boolean;
}

export const ui = signal(
  uiState.read<Ui>({ id: '', layout: 'grid', width: 0, left: '', right: '', more: false }),
);
export const look = (part: Partial<Ui>): void => {
  ui.value = { ...ui.value, ...part };
};

export const view = signal<ComparisonView | undefined>(undefined);
export const failure = signal<string | undefined>(undefined);
/** Strengths that are on their way: the slider shows them before the extension does. */
export const strengths = signal<ReadonlyMap<string, number>>(new Map());

export const host = connect(compareContract, {
  view: (next) => {
    view.value = next;
  },
  cell: (cell) => {
    if (view.value) view.value = { ...view.value, cells: view.value.cells.map((one) => newer(one, cell)) };
  },
});

const newer = (known: Cell, cell: Cell): Cell =>
  known.column === cell.column && known.row === cell.row ? cell : known;

/** Begins: everything is asked for. */
export async function open(): Promise<void> {
  try {
    view.value = await host.call('open', {});
    look({ id: view.value.id });
  } catch (cause) {
    failure.value = (cause as Error).message;
  }
}

/** Asks the extension; it shows failures itself. */
export function ask<N extends RequestName<typeof compareContract>>(
  request: N,
  params: Params<typeof compareContract, N>,
): void {
  void host.call(request, params).catch(() => {});
}

const timers = new Map<string, ReturnType<typeof setTimeout>>();
/** How long a slider rests before pictures are drawn, in ms. */
const settle = 150;

/** Sets a column's strength; while the slider moves, nothing is drawn. */
export function setStrength(column: string, strength: number): void {
  strengths.value = new Map(strengths.value).set(column, strength);
  clearTimeout(timers.get(column));
  timers.set(
    column,
    setTimeout(() => {
      void host
        .call('setStrength', { column, strength })
        .catch(() => {})
        .finally(() => {
          const left = new Map(strengths.value);
          if (left.get(column) === strength) left.delete(column);
          strengths.value = left;
        });
    }, settle),
  );
}

export const setSettings = (part: Partial<DrawSettings>): void => ask('setSettings', part);

export const cellAt = ({ cells }: ComparisonView, column: string, row: string): Cell | undefined =>
  cells.find((one) => one.column === column && one.row === row);

/** What keeps several pictures from being drawn, as a host that is gone does: said once for all of them. */
export function sharedProblems({ cells }: ComparisonView): string[] {
  const all = cells.flatMap(({ state, problem }) => (state === 'failed' && problem ? [problem] : []));
  return [...new Set(all.filter((one, i) => all.indexOf(one) !== i))];
}

effect(() => uiState.write(ui.value));
