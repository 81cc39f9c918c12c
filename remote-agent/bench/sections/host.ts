import { join } from 'node:path';
import { measuredRun } from '../measured-run.ts';
import { median } from '../numbers.ts';
import { markdown, type Section } from '../section.ts';

interface HostRow {
  readonly method: string;
  readonly steps: number;
  readonly stepMs: number;
  /** Everything but the session's run, as a share of the step: median over the steps. */
  readonly share: number;
  /** Median milliseconds of each part. */
  readonly parts: Readonly<Record<string, number>>;
}

/** Work outside the session in the real training loop, every part of a step by name. */
export const host: Section<HostRow> = {
  name: 'host',
  async measure({ root, say }) {
    const rows: HostRow[] = [];
    for (const method of ['para', 'lora'] as const) {
      const { steps } = await measuredRun(join(root, 'examples/robot/robot.para.json'), method, 150);
      // The first steps still warm the compiler up.
      const kept = steps.slice(30);
      const whole = kept.map((parts) => parts.reduce((sum, { ms }) => sum + ms, 0));
      const inside = kept.map((parts) => parts.find(({ part }) => part === 'session')!.ms);
      const names = kept[0]!.map(({ part }) => part);
      const parts = Object.fromEntries(
        names.map((name) => [name, median(kept.map((list) => list.find(({ part }) => part === name)!.ms))]),
      );
      const share = median(whole.map((ms, i) => 1 - inside[i]! / ms));
      rows.push({ method, steps: kept.length, stepMs: median(whole), share, parts });
      say(`host ${method}: ${(100 * share).toFixed(1)} % of a step of ${median(whole).toFixed(1)} ms`);
    }
    return rows;
  },
  table(rows) {
    const names = Object.keys(rows[0]?.parts ?? {});
    return markdown(
      ['method', 'outside the session', 'step, ms', ...names.map((name) => `${name}, ms`)],
      rows.map((r) => [
        r.method,
        `${(100 * r.share).toFixed(1)} %`,
        r.stepMs.toFixed(1),
        ...names.map((name) => (r.parts[name] ?? 0).toFixed(2)),
      ]),
    );
  },
};
