/** What happens in a run, as `events.jsonl` holds it (with `seq` and `time` added by the writer). */
export type TrainEvent =
  | { readonly type: 'started'; readonly steps: number; readonly parameters: number; readonly layers: number }
  | { readonly type: 'resumed'; readonly fromStep: number }
  | { readonly type: 'phase'; readonly name: string }
  | {
      readonly type: 'step';
      readonly step: number;
      readonly loss: number;
      readonly smoothedLoss: number;
      readonly learningRate: number;
      readonly gradientNorm: number;
      readonly seconds: number;
      readonly memoryBytes: number;
    }
  | { readonly type: 'validation'; readonly step: number; readonly loss: number }
  | {
      readonly type: 'sample';
      readonly step: number;
      readonly prompt: string;
      readonly seed: number;
      readonly file: string;
    }
  | {
      readonly type: 'checkpoint';
      readonly step: number;
      readonly file: string;
      /** The lowest validation loss so far was measured after this step; a later one replaces the file. */
      readonly best?: true;
    }
  /** The state was saved: from here the run goes on after a kill, on this machine or another. */
  | { readonly type: 'saved'; readonly step: number; readonly file: string }
  | { readonly type: 'note'; readonly message: string }
  | {
      readonly type: 'error';
      /** Code of the typed error, where it is one. */
      readonly code?: string;
      readonly message: string;
      readonly where?: string;
      readonly hint?: string;
    }
  /** With the adapter as it was then, where a step was made since the start. */
  | { readonly type: 'stopped'; readonly step: number; readonly file?: string }
  | {
      readonly type: 'finished';
      readonly step: number;
      readonly seconds: number;
      readonly file: string;
      /** Where its pictures have several sizes: how often sessions were made for another size, and what that took. */
      readonly sizeChanges?: { readonly count: number; readonly seconds: number };
    };

/** How a run reports and is stopped. */
export interface TrainHooks {
  emit(event: TrainEvent): void;
  /** Asked between steps, and between the pictures before them: true ends the run after saving its state. */
  shouldStop(): boolean;
}

/** Leaves the work before the first step, where there is no state of this start yet to save. */
export class StopRequested extends Error {}

/** Lets signals and messages have their turn, since the runtime blocks the thread; whether the run is to stop. */
export async function askedToStop(hooks: TrainHooks): Promise<boolean> {
  await new Promise((resume) => setImmediate(resume));
  return hooks.shouldStop();
}
