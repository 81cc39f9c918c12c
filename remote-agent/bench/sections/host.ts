import { join } from 'node:path';
import { measuredRun } from '../measured-run.ts';
import { median, tenth } from '../numbers.ts';
import { markdown, type Section } from '../section.ts';

interface HostRow {
  readonly method: string;
  readonly steps: number;
  readonly stepMs: number;
  /** Everything but the session's run, as a share of the step: median over the steps. */
  readonly share: number;
  /** The same from the parts' undisturbed times. */
  readonly undisturbedShare: number;
  /** Milliseconds of each part where nothing came between: what nine of ten steps exceed. */
  readonly parts: Readonly<Record<string, number>>;
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Work outside the session in the real training loop, every part of a step by name. */
export const host: Section<HostRow> = {
  name: 'host',
  async measure({ root, say }) {
    const rows: HostRow[] = [];
    for (const method of ['para', 'lora'] as const) {
      const { steps } = await measuredRun(join(root, 'examples/robot/robot.para.json'), method, 150);
      // The first steps still warm the compiler up.
      const kept = steps.slice(30);
      const parts = Object.fromEntries(
        kept[0]!.map(({ part }, i) => [part, tenth(kept.map((list) => list[i]!.ms))]),
      );
      const whole = kept.map((list) => list.reduce((sum, { ms }) => sum + ms, 0));
      const inside = kept.map((list) => list.find(({ part }) => part === 'session')!.ms);
      const share = median(whole.map((ms, i) => 1 - inside[i]! / ms));
      const undisturbed = Object.values(parts).reduce((sum, ms) => sum + ms, 0);
      const undisturbedShare = 1 - parts.session! / undisturbed;
      const stepMs = median(whole);
      rows.push({ method, steps: kept.length, stepMs, share, undisturbedShare, parts });
      say(
        `host ${method}: ${percent(share)} of a step of ${stepMs.toFixed(1)} ms, ${percent(undisturbedShare)} undisturbed`,
      );
    }
    return rows;
  },
  table(rows) {
    const names = Object.keys(rows[0]?.parts ?? {});
    return markdown(
      [
        ...['method', 'outside the session', 'undisturbed', 'step, ms'],
        ...names.map((name) => `${name}, ms`),
      ],
      rows.map((r) => [
        r.method,
        percent(r.share),
        percent(r.undisturbedShare),
        r.stepMs.toFixed(1),
        ...names.map((name) => (r.parts[name] ?? 0).toFixed(2)),
      ]),
    );
  },
};
