import { join } from 'node:path';
import { measuredRun } from '../measured-run.ts';
import { median } from '../numbers.ts';
import { markdown, type Section } from '../section.ts';

interface StartRow {
  readonly method: string;
  readonly runs: number;
  readonly firstStepMs: number;
  /** Median milliseconds of each part. */
  readonly parts: Readonly<Record<string, number>>;
}

/** From the start of the trainer's process to its first step. */
export const startup: Section<StartRow> = {
  name: 'startup',
  async measure({ root, say }) {
    const rows: StartRow[] = [];
    for (const method of ['para', 'lora'] as const) {
      const runs = [];
      for (let i = 0; i < 5; i++)
        runs.push(await measuredRun(join(root, 'examples/robot/robot.para.json'), method, 1));
      const loop = ['between steps', 'batch', 'basis', 'feeds', 'session', 'gradient sum', 'pullback'];
      const named = runs.map(({ startUp }) => {
        const sums: Record<string, number> = {};
        for (const { part, ms } of startUp) {
          const name = [...loop, 'optimiser', 'event'].includes(part) ? 'first step' : part;
          sums[name] = (sums[name] ?? 0) + ms;
        }
        return sums;
      });
      const parts = Object.fromEntries(
        Object.keys(named[0]!).map((name) => [name, median(named.map((sums) => sums[name] ?? 0))]),
      );
      const firstStepMs = median(runs.map((run) => run.firstStepMs));
      rows.push({ method, runs: runs.length, firstStepMs, parts });
      say(`startup ${method}: first step after ${(firstStepMs / 1000).toFixed(2)} s`);
    }
    return rows;
  },
  table(rows) {
    const names = [...new Set(rows.flatMap(({ parts }) => Object.keys(parts)))];
    return markdown(
      ['part', ...rows.map(({ method }) => `${method}, ms`)],
      [
        ['**to the first step**', ...rows.map((r) => `**${r.firstStepMs.toFixed(0)}**`)],
        ...names.map((name) => [name, ...rows.map(({ parts }) => (parts[name] ?? 0).toFixed(0))]),
      ],
    );
  },
};
