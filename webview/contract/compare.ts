import { type Static, type TProperties, type TSchema, Type } from '@sinclair/typebox';
import type { Contract } from './kernel.ts';
import { Bytes } from './packed.ts';

const Optional = <T extends TSchema>(schema: T) => Type.Optional(schema);
const Count = Type.Integer({ minimum: 0 });
const Nothing = Type.Object({});
const Id = Type.String({ minLength: 1, maxLength: 100 });

/** What all pictures of a comparison share; a row may have other values where its line says so. */
export const DrawSettings = Type.Object({
  /** Of the first row; the rows after it have the numbers after it. */
  seed: Type.Integer({ minimum: 0, maximum: 4_294_967_295 }),
  guidance: Type.Number({ minimum: 0, maximum: 100 }),
  steps: Type.Integer({ minimum: 1, maximum: 1000 }),
  scheduler: Type.String({ maxLength: 100 }),
  /** Pixels; the base's own where left out. */
  width: Optional(Type.Integer({ minimum: 8, maximum: 8192 })),
  height: Optional(Type.Integer({ minimum: 8, maximum: 8192 })),
  negative: Type.String({ maxLength: 10_000 }),
});
export type DrawSettings = Static<typeof DrawSettings>;

/** What is known of a column's adapter. */
export const ColumnFacts = Type.Object({
  parameters: Optional(Count),
  bytes: Optional(Count),
  steps: Optional(Count),
  /** Seconds of training. */
  seconds: Optional(Type.Number()),
  rank: Optional(Type.String()),
});
export type ColumnFacts = Static<typeof ColumnFacts>;

export const Column = Type.Object({
  id: Id,
  label: Type.String(),
  /** `base`: no adapter. */
  method: Type.Union([Type.Literal('base'), Type.Literal('para'), Type.Literal('lora')]),
  strength: Type.Number(),
  minimum: Type.Number(),
  maximum: Type.Number(),
  facts: ColumnFacts,
});
export type Column = Static<typeof Column>;

export const Row = Type.Object({
  id: Id,
  /** The prompt as it was written, with its own settings. */
  text: Type.String(),
  seed: Count,
  /** Why it cannot be drawn. */
  problem: Optional(Type.String()),
});
export type Row = Static<typeof Row>;

export const Cell = Type.Object({
  column: Id,
  row: Id,
  state: Type.Union(
    (['missing', 'waiting', 'drawing', 'done', 'failed'] as const).map((state) => Type.Literal(state)),
  ),
  /** The picture; while it is drawn, how it looks by now; while it waits, the one before. */
  source: Optional(Type.String()),
  /** Steps made of those it takes. */
  step: Optional(Count),
  steps: Optional(Count),
  note: Optional(Type.String()),
  problem: Optional(Type.String()),
});
export type Cell = Static<typeof Cell>;

const Choice = Type.Object({ value: Type.String(), label: Type.String() });

/** A picture that was drawn in this view. */
export const Drawn = Type.Object({ key: Id, source: Type.String(), prompt: Type.String(), seed: Count });
export type Drawn = Static<typeof Drawn>;

export const ComparisonView = Type.Object({
  id: Id,
  mode: Type.Union([Type.Literal('compare'), Type.Literal('generate')]),
  /** Where it is drawn, and where it could be. */
  place: Id,
  places: Type.Array(Choice),
  base: Type.String(),
  /** Names of the bases that the place is known to have. */
  bases: Type.Array(Type.String()),
  settings: DrawSettings,
  /** Size of the base's own pictures, once it is known. */
  baseSize: Optional(Type.Object({ width: Count, height: Count })),
  schedulers: Type.Array(Choice),
  columns: Type.Array(Column),
  rows: Type.Array(Row),
  cells: Type.Array(Cell),
  history: Type.Array(Drawn),
  /** Nothing is drawn before somebody wants it. */
  paused: Type.Boolean(),
  /** A run that pictures can be pinned to. */
  canPin: Type.Boolean(),
  /** Why nothing can be drawn. */
  problem: Optional(Type.String()),
});
export type ComparisonView = Static<typeof ComparisonView>;

const inColumn = { column: Id };
const inRow = { row: Id };
const inCell = { ...inColumn, ...inRow };
const order = <P extends TProperties>(params: P) => ({ params: Type.Object(params), result: Nothing });

export const compareContract = {
  requests: {
    open: { params: Nothing, result: ComparisonView },
    setStrength: order({ ...inColumn, strength: Type.Number() }),
    setSettings: { params: Type.Partial(DrawSettings), result: Nothing },
    /** Draws elsewhere, or on another base; adapters are taken there. */
    setPlace: order({ place: Optional(Id), base: Optional(Id) }),
    setPrompt: order({ ...inRow, text: Type.String({ maxLength: 10_000 }) }),
    addPrompt: order({ text: Type.String({ maxLength: 10_000 }) }),
    removePrompt: order(inRow),
    /** The extension asks which adapter, or the base alone. */
    addColumn: order({}),
    removeColumn: order(inColumn),
    /** Draws what is missing, and what failed again. */
    draw: order({}),
    /** Draws nothing more. */
    stop: order({}),
    copyPrompt: order(inCell),
    savePicture: order(inCell),
    saveSheet: order({ png: Bytes }),
    pin: order(inCell),
    /** Back to the settings of a picture of the history. */
    recall: order({ key: Id }),
  },
  notices: {
    view: ComparisonView,
    cell: Cell,
  },
} as const satisfies Contract;
