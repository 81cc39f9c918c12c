import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { megabytes } from '../numbers.ts';
import { markdown, type Section } from '../section.ts';
import type { StepCase, StepResult } from '../step-ratio.ts';

type StepRow = Omit<StepCase, 'base'> & StepResult;

const program = fileURLToPath(new URL('bench-step.js', import.meta.url));

/** A training step against the forward pass of the same U-Net, both in one process. */
export const step: Section<StepRow> = {
  name: 'step',
  async measure({ base, say }) {
    const rows: StepRow[] = [];
    for (const [side, batch] of [
      [16, 1],
      [16, 4],
      [64, 1],
    ] as const)
      for (const method of ['para', 'lora'])
        for (const memory of ['fast', 'lean'] as const) {
          const what: Omit<StepCase, 'base'> = { method, batch, memory, side, seconds: 4 };
          const said = execFileSync(process.execPath, [program, JSON.stringify({ ...what, base })], {
            encoding: 'utf8',
          });
          const row = { ...what, ...(JSON.parse(said) as StepResult) };
          rows.push(row);
          say(
            `step ${method} batch ${batch} ${memory} ${side} x ${side}: ${row.ratio.toFixed(2)} x the forward pass`,
          );
        }
    return rows;
  },
  table(rows) {
    return markdown(
      [
        ...['method', 'batch', 'latents', 'memory', 'step : forward'],
        ...['step, ms', 'forward, ms', 'activations, MB', 'nodes'],
      ],
      rows.map((r) => [
        ...[r.method, r.batch, `${r.side} x ${r.side}`, r.memory, r.ratio.toFixed(2)],
        ...[r.stepMs.toFixed(1), r.forwardMs.toFixed(1), megabytes(r.activationBytes), r.stepNodes],
      ]),
    );
  },
};
