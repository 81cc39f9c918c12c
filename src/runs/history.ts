import { isActive, type Run } from './run.ts';

/** How the history is laid out. */
export interface HistoryView {
  readonly groupBy: 'subject' | 'host';
  /** Words that all have to be in a run's subject, method, base, host, state or id. */
  readonly filter: string;
}

/** A group of the history with its newest runs. */
export interface RunGroup {
  readonly name: string;
  readonly runs: readonly Run[];
  readonly active: number;
}

/** Groups of runs, each newest first, the group of the newest run first. */
export function groupRuns(runs: readonly Run[], { groupBy, filter }: HistoryView): RunGroup[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Map<string, Run[]>();
  for (const run of runs) {
    if (words.length > 0) {
      const text =
        `${run.subject} ${run.method} ${run.base} ${run.host} ${run.state} ${run.id}`.toLowerCase();
      if (!words.every((word) => text.includes(word))) continue;
    }
    const key = run[groupBy];
    const group = groups.get(key);
    if (group) group.push(run);
    else groups.set(key, [run]);
  }
  return [...groups].map(([name, members]) => ({
    name,
    runs: members,
    active: members.filter(isActive).length,
  }));
}
