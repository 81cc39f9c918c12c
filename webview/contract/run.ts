import { type Static, type TSchema, Type } from '@sinclair/typebox';
import type { Contract } from './kernel.ts';
import { Bytes } from './packed.ts';

const Optional = <T extends TSchema>(schema: T) => Type.Optional(schema);
const Count = Type.Integer({ minimum: 0 });
const Nothing = Type.Object({});

/** Columns of losses: step, loss, smoothed loss, learning rate. */
export const lossColumns = 4;
/** Columns of validation: step, loss. */
export const validationColumns = 2;

/** A run that can be laid over another. */
export const OtherRun = Type.Object({ id: Type.String(), label: Type.String() });
export type OtherRun = Static<typeof OtherRun>;

const State = Type.Union(
  (['queued', 'running', 'stopped', 'finished', 'failed', 'interrupted'] as const).map((s) =>
    Type.Literal(s),
  ),
);

/** Where a run is, for its head. Times in seconds, memory in bytes. */
export const RunNow = Type.Object({
  state: State,
  /** The state in words. */
  stateText: Type.String(),
  step: Count,
  steps: Count,
  loss: Optional(Type.Number()),
  smoothedLoss: Optional(Type.Number()),
  learningRate: Optional(Type.Number()),
  bestValidation: Optional(Type.Object({ step: Count, loss: Type.Number() })),
  secondsAStep: Optional(Type.Number()),
  secondsLeft: Optional(Type.Number()),
  memoryBytes: Optional(Type.Number()),
  parameters: Optional(Count),
  layers: Optional(Count),
  /** What it does before its first step, or between steps. */
  phase: Optional(Type.String()),
  /** Why it failed. */
  problem: Optional(Type.String()),
  /** Trouble with the link to its host. */
  link: Optional(Type.String()),
});
export type RunNow = Static<typeof RunNow>;

/** A picture of the timeline. */
export const Sample = Type.Object({
  step: Count,
  prompt: Count,
  seed: Count,
  source: Type.String(),
});
export type Sample = Static<typeof Sample>;

export const RunEvent = Type.Object({
  /** ISO 8601. */
  time: Type.String(),
  kind: Type.Union([
    Type.Literal('info'),
    Type.Literal('checkpoint'),
    Type.Literal('resumed'),
    Type.Literal('link'),
    Type.Literal('warning'),
    Type.Literal('error'),
  ]),
  text: Type.String(),
  step: Optional(Count),
  hint: Optional(Type.String()),
});
export type RunEvent = Static<typeof RunEvent>;

/** A picture of a comparison that was kept with the run. */
export const Pinned = Type.Object({ name: Type.String(), source: Type.String() });
export type Pinned = Static<typeof Pinned>;

const Settings = Type.Object({
  title: Type.String(),
  rows: Type.Array(Type.Object({ name: Type.String(), value: Type.String() })),
});

/** All that a view shows of a run besides its losses. */
export const RunView = Type.Object({
  id: Type.String(),
  subject: Type.String(),
  method: Type.String(),
  base: Type.String(),
  /** Where it is made. */
  place: Type.String(),
  createdAt: Type.String(),
  now: RunNow,
  /** What was said of it before it began. */
  estimate: Optional(
    Type.Object({
      text: Type.String(),
      seconds: Optional(Type.Number()),
      memoryBytes: Optional(Type.Number()),
    }),
  ),
  prompts: Type.Array(Type.String()),
  samples: Type.Array(Sample),
  pinned: Type.Array(Pinned),
  events: Type.Array(RunEvent),
  settings: Type.Array(Settings),
  others: Type.Array(OtherRun),
});
export type RunView = Static<typeof RunView>;

export const Layer = Type.Object({
  path: Type.String(),
  kind: Type.String(),
  rank: Count,
  inputs: Optional(Count),
  outputs: Count,
  parameters: Count,
});
export type Layer = Static<typeof Layer>;

/** Losses of one run in a range of steps; thinned, every bucket still shows its lowest and highest. */
const Losses = Type.Object({
  losses: Bytes,
  validation: Bytes,
  thinned: Type.Boolean(),
  lastStep: Count,
});
export type Losses = Static<typeof Losses>;

export const runContract = {
  requests: {
    open: { params: Nothing, result: RunView },
    losses: {
      params: Type.Object({
        run: Type.String(),
        from: Optional(Type.Number()),
        to: Optional(Type.Number()),
        /** Most points wanted. */
        points: Type.Integer({ minimum: 10, maximum: 20_000 }),
      }),
      result: Losses,
    },
    /** No longer followed. */
    forget: { params: Type.Object({ run: Type.String() }), result: Nothing },
    layers: {
      params: Nothing,
      result: Type.Object({ layers: Type.Array(Layer), note: Optional(Type.String()) }),
    },
    log: {
      params: Nothing,
      /** `note`: why it may not be all. */
      result: Type.Object({ text: Type.String(), cut: Type.Boolean(), note: Optional(Type.String()) }),
    },
    act: {
      params: Type.Object({
        action: Type.Union(
          (['stop', 'continue', 'export', 'compare', 'log', 'folder', 'reconnect'] as const).map((a) =>
            Type.Literal(a),
          ),
        ),
      }),
      result: Nothing,
    },
    saveChart: { params: Type.Object({ png: Bytes }), result: Nothing },
    saveTable: { params: Type.Object({ runs: Type.Array(Type.String()) }), result: Nothing },
    saveSample: { params: Type.Object({ step: Count, prompt: Count }), result: Nothing },
  },
  notices: {
    /** New points behind those that are there. */
    losses: Type.Object({ run: Type.String(), losses: Bytes, validation: Bytes }),
    /** What was sent of a run's losses does not hold any more: ask again. */
    rewound: Type.Object({ run: Type.String() }),
    now: RunNow,
    samples: Type.Object({ samples: Type.Array(Sample) }),
    pinned: Type.Object({ pinned: Type.Array(Pinned) }),
    events: Type.Object({ events: Type.Array(RunEvent) }),
    others: Type.Object({ others: Type.Array(OtherRun) }),
  },
} as const satisfies Contract;
