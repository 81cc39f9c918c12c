import { createHash } from 'node:crypto';
import { adapterTag } from '../../remote-agent/src/diffusion/prompt.ts';
import type { Column, ColumnFacts, DrawSettings } from '../../webview/contract/compare.ts';
import { type ReadLine, readLine } from './prompt-line.ts';

/** An adapter as a comparison applies it. */
export interface AppliedFile {
  readonly name: string;
  readonly file: string;
  /** SHA-256 of the file. */
  readonly hash: string;
  /** The run it came of: where its job is, and the folder here. */
  readonly run?: { readonly host: string; readonly job: string; readonly directory: string };
}

export interface ColumnModel extends Omit<Column, 'facts'> {
  readonly facts: ColumnFacts;
  /** None: the base alone. */
  readonly adapter?: AppliedFile;
}

export interface RowModel {
  readonly id: string;
  readonly text: string;
  /** Added to the seed of the comparison. */
  readonly offset: number;
  /** The adapters that the prompt names itself, by their names. */
  readonly adapters: Readonly<Record<string, AppliedFile>>;
  readonly problem?: string;
}

/** Where and on what it is drawn. */
export interface Place {
  readonly host: string;
  readonly base: string;
  readonly baseHash?: string;
  readonly width?: number;
  readonly height?: number;
}

/** Settings that nobody chose yet; those of `para generate`. */
export const defaultSettings = {
  ...{ seed: 1, guidance: 5, steps: 30, scheduler: 'ddim', negative: '' },
} as const satisfies DrawSettings;

/** A picture to draw: all that its bytes follow from. */
export interface Drawing {
  readonly place: Place;
  readonly prompt: string;
  readonly settings: Required<Omit<DrawSettings, 'width' | 'height'>> & { width?: number; height?: number };
  readonly adapters: readonly (AppliedFile & { readonly strength: number })[];
}

/** What a comparison is, without what was drawn of it: what a snapshot holds. */
export interface ComparisonState {
  readonly version: 1;
  readonly id: string;
  readonly mode: 'compare' | 'generate';
  readonly place: Place;
  readonly settings: DrawSettings;
  readonly columns: readonly ColumnModel[];
  readonly rows: readonly RowModel[];
  /** Drawings whose pictures were shown, the newest first. */
  readonly history: readonly Drawing[];
}

/** How many pictures the history holds. */
const longestHistory = 60;

/** The picture of a cell; `undefined` where there is no prompt yet, or it cannot be read. */
export function drawingOf(state: ComparisonState, column: ColumnModel, row: RowModel): Drawing | undefined {
  if (row.problem !== undefined || row.text.trim() === '') return undefined;
  const line = readLine(row.text);
  const { settings } = state;
  const own = column.adapter ? [{ ...column.adapter, strength: column.strength }] : [];
  const named = line.adapters.map(({ name, strength }) => ({ ...row.adapters[name]!, strength }));
  const size = { width: line.width ?? settings.width, height: line.height ?? settings.height };
  return {
    place: state.place,
    prompt: line.prompt,
    settings: {
      seed: line.seed ?? seedOf(state, row),
      guidance: line.guidance ?? settings.guidance,
      steps: line.steps ?? settings.steps,
      scheduler: line.scheduler ?? settings.scheduler,
      negative: line.negative ?? settings.negative,
      ...(size.width === undefined ? {} : { width: size.width }),
      ...(size.height === undefined ? {} : { height: size.height }),
    },
    adapters: [...own, ...named],
  };
}

/** Labels of the columns; where several adapters have the same, with what tells them apart. */
export function labelsOf(columns: readonly ColumnModel[], stepsText: (steps: number) => string): string[] {
  return columns.map(({ label, adapter, facts }) => {
    const alike = columns.filter((one) => one.label === label && one.adapter);
    const files = new Map(alike.map((one) => [one.adapter!.hash + one.adapter!.name, one.facts.steps]));
    if (!adapter || files.size < 2) return label;
    const steps = new Set(files.values());
    const tells = steps.size === files.size && !steps.has(undefined);
    return `${label} · ${tells ? stepsText(facts.steps!) : adapter.name}`;
  });
}

/** One noise a row: every column draws a row from the same seed. */
export const seedOf = ({ settings }: ComparisonState, row: RowModel): number =>
  readSafely(row.text)?.seed ?? (settings.seed + row.offset) % 4_294_967_296;

/** Names a picture by all that it is made from: the same name, the same picture. */
export function keyOf({ place, prompt, settings, adapters }: Drawing): string {
  const { seed, guidance, steps, scheduler, negative, width, height } = settings;
  const { host, base, baseHash } = place;
  const made = {
    ...{ host, base, baseHash, prompt, seed, guidance, steps, scheduler, negative },
    ...{ width: width ?? place.width, height: height ?? place.height },
    // An adapter of strength 0 draws what none draws, but not to the bit.
    adapters: adapters.map(({ hash, strength }) => ({ hash, strength })),
  };
  return createHash('sha256').update(JSON.stringify(made)).digest('hex');
}

/** The state with a drawing at the head of its history. */
export function remembered(state: ComparisonState, drawing: Drawing): ComparisonState {
  const key = keyOf(drawing);
  const others = state.history.filter((one) => keyOf(one) !== key);
  return { ...state, history: [drawing, ...others].slice(0, longestHistory) };
}

/** A drawing as the line of a prompt file that draws it again: the field's `<lora:name:0.8>` and `--d --s --l --ss`. */
export function promptLineOf({ prompt, settings, adapters }: Drawing): string {
  const tags = adapters.map(({ name, strength }) => ` ${adapterTag(name, strength)}`).join('');
  const { seed, steps, guidance, scheduler, negative, width, height } = settings;
  return [
    prompt + tags,
    `--d ${seed}`,
    `--s ${steps}`,
    `--l ${guidance}`,
    `--ss ${scheduler}`,
    ...(width ? [`--w ${width}`] : []),
    ...(height ? [`--h ${height}`] : []),
    ...(negative ? [`--n ${negative}`] : []),
  ].join(' ');
}

export function readSafely(text: string): ReadLine | undefined {
  try {
    return readLine(text);
  } catch {
    return undefined;
  }
}
