import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { MemoryCase, MemoryResult } from '../memory-case.ts';
import { megabytes } from '../numbers.ts';
import { markdown, type Section } from '../section.ts';

type MemoryRow = Omit<MemoryCase, 'base'> & MemoryResult;

const program = fileURLToPath(new URL('bench-memory.js', import.meta.url));

const step = (method: 'para' | 'lora', memory: 'fast' | 'lean', batch: number, side: number) =>
  ({ what: 'step', method, memory, batch, side }) as const;

const cases: readonly Omit<MemoryCase, 'base'>[] = [
  ...(['fast', 'lean'] as const).flatMap((memory) => [
    step('lora', memory, 1, 16),
    step('para', memory, 1, 64),
    step('lora', memory, 4, 64),
    step('lora', memory, 1, 128),
  ]),
  ...[16, 64, 128].map((side) => ({ what: 'unet', batch: 2, side }) as const),
  ...[16, 64, 128].map((side) => ({ what: 'decoder', batch: 1, side }) as const),
  ...[64, 128].map((side) => ({ what: 'encoder', batch: 1, side }) as const),
];

/** The memory of single sessions, each in a process of its own, against what is estimated from their graphs. */
export const memory: Section<MemoryRow> = {
  name: 'memory',
  async measure({ base, say }) {
    return cases.map((what) => {
      const said = execFileSync(process.execPath, [program, JSON.stringify({ ...what, base })], {
        encoding: 'utf8',
      });
      const row = { ...what, ...(JSON.parse(said) as MemoryResult) };
      say(`memory ${what.what} ${what.side}: ${megabytes(row.peak - row.before)} MB`);
      return row;
    });
  },
  table(rows) {
    return markdown(
      ['session', 'batch', 'latents', 'estimated, MB', 'measured, MB', 'error'],
      rows.map((r) => {
        const measured = r.peak - r.before;
        const error = Math.round(100 * (r.estimated / measured - 1));
        const session = r.what === 'step' ? `step, ${r.method}, ${r.memory}` : r.what;
        return [
          ...[session, r.batch, `${r.side} x ${r.side}`, megabytes(r.estimated), megabytes(measured)],
          `${error > 0 ? '+' : ''}${error} %`,
        ];
      }),
    );
  },
};
