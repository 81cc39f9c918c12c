import { join } from 'node:path';
import { Optimizer } from '../../src/training/optimizer.ts';
import { OptimizerThreads } from '../../src/training/optimizer-threads.ts';
import { basisOf } from '../basis-of.ts';
import { median, wave } from '../numbers.ts';
import { adamw } from '../optimizer.ts';
import { markdown, type Section } from '../section.ts';

interface LargeAdapterRow {
  readonly what: string;
  readonly values: number;
  readonly threads: number;
  readonly aloneMs: number;
  readonly togetherMs: number;
}

/** Output widths of the attention layers of SDXL's U-Net, in its order. */
const sdxl = [
  [32, 640],
  [400, 1280],
  [48, 640],
  [80, 1280],
].flatMap(([layers, width]) => new Array<number>(layers!).fill(width!));
/** Values of LoRA of rank 16 on them. */
const loraValues = 23_224_320;

/** What the processor does beside a step of an adapter of SDXL's size: by one thread and by all, in turns. */
export const largeAdapter: Section<LargeAdapterRow> = {
  name: 'large-adapter',
  async measure({ root, threads, say }) {
    const rows: LargeAdapterRow[] = [];
    const add = async (
      what: string,
      values: number,
      alone: () => unknown,
      together: () => unknown,
    ): Promise<void> => {
      const [aloneMs, togetherMs] = await inTurns(alone, together);
      rows.push({ what, values, threads, aloneMs, togetherMs });
      say(`${what}: ${aloneMs.toFixed(0)} ms by one thread, ${togetherMs.toFixed(0)} ms by ${threads}`);
    };
    const one = await basisOf(sdxl, {}, 1);
    const all = await basisOf(sdxl, {}, threads);
    await add("PaRa's bases", one.parameterCount, one.bases, all.bases);
    await add('their gradient', one.parameterCount, one.gradient, all.gradient);
    await one.release();
    await all.release();

    const gradient = wave(loraValues, 1e-3);
    const program = join(root, 'remote-agent/dist/optimizer-worker.js');
    const shared = new OptimizerThreads(loraValues, program, threads - 1);
    const step = (optimizer: Optimizer) => {
      const parameters = new Float32Array(loraValues);
      return () => {
        const norm = optimizer.norm(gradient);
        optimizer.update(parameters, gradient, 1e-4, 1 / norm);
      };
    };
    await add(
      'norm, clipping and AdamW of LoRA at rank 16',
      loraValues,
      step(new Optimizer(loraValues, adamw)),
      step(new Optimizer(loraValues, adamw, shared)),
    );
    await shared.release();
    return rows;
  },
  table(rows) {
    return markdown(
      ['what', 'values, millions', 'one thread, ms', 'all, ms', 'threads', 'times as fast'],
      rows.map((r) => [
        ...[r.what, (r.values / 1e6).toFixed(1), r.aloneMs.toFixed(0), r.togetherMs.toFixed(0)],
        ...[r.threads, (r.aloneMs / r.togetherMs).toFixed(2)],
      ]),
    );
  },
};

/** Medians of seven runs each, in turns, after one each that is left out; in ms. */
async function inTurns(...works: readonly (() => unknown)[]): Promise<[number, number]> {
  const times = works.map(() => [] as number[]);
  for (let round = 0; round < 8; round++)
    for (const [i, work] of works.entries()) {
      const begin = performance.now();
      await work();
      if (round > 0) times[i]!.push(performance.now() - begin);
    }
  return times.map(median) as [number, number];
}
