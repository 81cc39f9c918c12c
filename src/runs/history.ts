import { isActive, type Run } from './run.ts';

/** How the history is laid out. */
export interface HistoryView {
  readonly groupBy: 'subject' | 'host';
  /** Words that all have to be in a run's subject, method, base, host, state or id; `subject:"NAME"` is one subject's. */
  readonly filter: string;
}

/** A group of the history with its newest runs. */
export interface RunGroup {
  readonly name: string;
  readonly runs: readonly Run[];
  readonly active: number;
}

/** The filter that shows the runs of one subject and no others. */
export const filterOfSubject = (name: string): string => `subject:"${name}"`;

/** Whether a run fits a filter. */
function fitting(filter: string): (run: Run) => boolean {
  const subjects: string[] = [];
  const rest = filter.replace(/\bsubject:"([^"]*)"/g, (_, name: string) => {
    subjects.push(name);
    return ' ';
  });
  const words = rest.toLowerCase().split(/\s+/).filter(Boolean);
  return (run) => {
    if (subjects.some((name) => run.subject !== name)) return false;
    const text = `${run.subject} ${run.method} ${run.base} ${run.host} ${run.state} ${run.id}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
}

/** Groups of runs, each newest first, the group of the newest run first. */
export function groupRuns(runs: readonly Run[], { groupBy, filter }: HistoryView): RunGroup[] {
  const fits = fitting(filter);
  const groups = new Map<string, Run[]>();
  for (const run of runs) {
    if (!fits(run)) continue;
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
