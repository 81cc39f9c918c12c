import { effect, signal } from '@preact/signals';
import { unpackColumns } from '../contract/packed.ts';
import {
  lossColumns,
  type RunNow,
  type RunView,
  runContract,
  type Sample,
  validationColumns,
} from '../contract/run.ts';
import type { Range } from '../ui/chart/data.ts';
import { connect, uiState } from '../ui/host.ts';

/** Where one looks: outlives hiding and reloading. */
interface Ui {
  readonly run: string;
  readonly logarithmic: boolean;
  readonly shown: Readonly<Record<'raw' | 'smoothed' | 'validation' | 'rate', boolean>>;
  readonly range: Range | undefined;
  readonly overlays: readonly string[];
  readonly tab: 'events' | 'log' | 'settings' | 'layers';
  /** Shown sample; no step: the newest. */
  readonly step: number | undefined;
  readonly prompt: number;
  /** The step that it is compared with. */
  readonly other: number | undefined;
  readonly thumb: number;
}

export const ui = signal(
  uiState.read<Ui>({
    run: '',
    logarithmic: false,
    shown: { raw: true, smoothed: true, validation: true, rate: false },
    range: undefined,
    overlays: [],
    tab: 'events',
    step: undefined,
    prompt: 0,
    other: undefined,
    thumb: 72,
  }),
);
export const look = (change: Partial<Ui>): void => {
  ui.value = { ...ui.value, ...change };
};

export const view = signal<RunView | undefined>(undefined);
export const failure = signal<string | undefined>(undefined);

/** What is drawn of a run's losses. */
export interface ShownLosses {
  /** Step, loss, smoothed loss, learning rate. */
  readonly columns: readonly Float32Array[];
  /** Step, loss. */
  readonly validation: readonly Float32Array[];
  readonly lastStep: number;
}
export const losses = signal<ReadonlyMap<string, ShownLosses>>(new Map());

/** Points asked for, and how many may gather behind them before they are asked for anew. */
const [points, mostPoints] = [4000, 8000];

export const host = connect(runContract, {
  losses: ({ run, losses: more, validation }) => append(run, more, validation),
  rewound: ({ run }) => void ask(run),
  now: (now) => change({ now }),
  samples: ({ samples }) => {
    if (view.value) change({ samples: merged(view.value.samples, samples) });
  },
  pinned: ({ pinned }) => change({ pinned }),
  events: ({ events }) => change({ events }),
  others: ({ others }) => change({ others }),
});

/** Whether something more comes of a run by itself. */
export const isActive = ({ state }: RunNow): boolean => state === 'running' || state === 'queued';

function change(part: Partial<RunView>): void {
  if (view.value) view.value = { ...view.value, ...part };
}

const merged = (known: readonly Sample[], more: readonly Sample[]): Sample[] => {
  const all = new Map([...known, ...more].map((sample) => [`${sample.step} ${sample.prompt}`, sample]));
  return [...all.values()].sort((a, b) => a.step - b.step || a.prompt - b.prompt);
};

/** Begins: everything is asked for. */
export async function open(): Promise<void> {
  try {
    const opened = await host.call('open', {});
    view.value = opened;
    if (ui.value.run !== opened.id) look({ run: opened.id });
    await Promise.all([opened.id, ...ui.value.overlays].map(ask));
  } catch (cause) {
    failure.value = (cause as Error).message;
  }
}

const asked = new Map<string, number>();

/** Asks for a run's losses in the range of the chart, with as much again on both sides. */
async function ask(run: string): Promise<void> {
  const turn = (asked.get(run) ?? 0) + 1;
  asked.set(run, turn);
  const { range } = ui.value;
  const length = range ? range.to - range.from : 0;
  const wanted = range
    ? { from: range.from - length, to: range.to + length, points: 3 * points }
    : { points };
  try {
    const answer = await host.call('losses', { run, ...wanted });
    if (asked.get(run) !== turn) return;
    set(run, {
      columns: unpackColumns(answer.losses, lossColumns),
      validation: unpackColumns(answer.validation, validationColumns),
      lastStep: answer.lastStep,
    });
  } catch {
    // A run that is not there any more is laid over nothing.
    look({ overlays: ui.value.overlays.filter((id) => id !== run) });
  }
}

const set = (run: string, shown: ShownLosses) => {
  losses.value = new Map(losses.value).set(run, shown);
};

function append(run: string, bytes: ArrayBuffer, validationBytes: ArrayBuffer): void {
  const known = losses.value.get(run);
  if (!known) return;
  const columns = unpackColumns(bytes, lossColumns);
  const lastStep = columns[0]!.at(-1) ?? known.lastStep;
  const { range } = ui.value;
  // What is drawn ends before the new points where the chart shows an earlier stretch.
  const apart = range !== undefined && range.to + (range.to - range.from) < known.lastStep;
  const next: ShownLosses = {
    columns: apart ? known.columns : known.columns.map((column, i) => joined(column, columns[i]!)),
    validation: known.validation.map((column, i) =>
      joined(column, unpackColumns(validationBytes, validationColumns)[i]!),
    ),
    lastStep,
  };
  set(run, next);
  if (next.columns[0]!.length > mostPoints && !range) void ask(run);
}

function joined(a: Float32Array, b: Float32Array): Float32Array {
  const both = new Float32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

let timer: ReturnType<typeof setTimeout> | undefined;

/** Shows a stretch of steps; what is drawn already is moved at once, what is finer comes after. */
export function showRange(range: Range | undefined): void {
  look({ range });
  clearTimeout(timer);
  timer = setTimeout(() => {
    for (const run of losses.value.keys()) void ask(run);
  }, 80);
}

export function addOverlay(run: string): void {
  if (!run || ui.value.overlays.includes(run)) return;
  look({ overlays: [...ui.value.overlays, run] });
  void ask(run);
}

export function removeOverlay(run: string): void {
  look({ overlays: ui.value.overlays.filter((id) => id !== run) });
  const left = new Map(losses.value);
  left.delete(run);
  losses.value = left;
  void host.call('forget', { run });
}

effect(() => uiState.write(ui.value));
