import type { Run } from '../runs/run.ts';

/** A comparison of LoRA and PaRa that waits for runs. */
export interface Awaited {
  /** Name of the subject. */
  readonly subject: string;
  /** Ids of the runs that have to be finished. */
  readonly runs: readonly string[];
}

/** What a run that ended makes of what waits: what waits further, and subjects that wait for nothing more. */
export function afterEnd(
  awaited: readonly Awaited[],
  { id, state }: Pick<Run, 'id' | 'state'>,
): { readonly left: Awaited[]; readonly ready: string[] } {
  const left: Awaited[] = [];
  const ready: string[] = [];
  for (const one of awaited) {
    const runs = one.runs.filter((run) => run !== id);
    if (runs.length === one.runs.length) left.push(one);
    // What failed or was stopped is not compared by itself: it has to be seen to first.
    else if (state !== 'finished') continue;
    else if (runs.length > 0) left.push({ ...one, runs });
    else ready.push(one.subject);
  }
  return { left, ready };
}
