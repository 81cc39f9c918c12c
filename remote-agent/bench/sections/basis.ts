import { basisOf } from '../basis-of.ts';
import { median } from '../numbers.ts';
import { markdown, type Section } from '../section.ts';

interface BasisRow {
  readonly layers: number;
  readonly width: number;
  readonly rank: number;
  readonly basisMs: number;
  readonly pullbackMs: number;
}

/** PaRa's f64 work beside the step: the bases before it, their gradient after it. */
export const basis: Section<BasisRow> = {
  name: 'basis',
  async measure({ say }) {
    const rows: BasisRow[] = [];
    for (const [layers, width, rank] of [
      [56, 128, 3],
      [60, 640, 16],
      [60, 1280, 32],
    ] as const) {
      const row = { layers, width, rank, ...(await measureBasis(layers, width, rank)) };
      rows.push(row);
      say(
        `basis ${layers} x ${width}, rank ${rank}: ${row.basisMs.toFixed(1)} ms, gradient ${row.pullbackMs.toFixed(1)} ms`,
      );
    }
    return rows;
  },
  table(rows) {
    return markdown(
      ['layers', 'width', 'rank', 'bases, ms', 'their gradient, ms'],
      rows.map((r) => [r.layers, r.width, r.rank, r.basisMs.toFixed(1), r.pullbackMs.toFixed(1)]),
    );
  },
};

async function measureBasis(count: number, dOut: number, rank: number) {
  const { bases, gradient, release } = await basisOf(new Array(count).fill(dOut), { rank, gamma: 1 }, 1);
  const time = async (run: () => Promise<unknown>) => {
    const times: number[] = [];
    const end = performance.now() + 2000;
    for (let i = 0; times.length < 5 || performance.now() < end; i++) {
      const begin = performance.now();
      await run();
      if (i > 0) times.push(performance.now() - begin);
    }
    return median(times);
  };
  const made = { basisMs: await time(bases), pullbackMs: await time(gradient) };
  await release();
  return made;
}
