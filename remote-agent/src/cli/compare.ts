import { writeFileAtomic } from '../common/files.ts';
import { encodePng, type Picture } from '../dataset/pictures.ts';
import { compareSheet } from '../dataset/sheet.ts';
import type { AppliedAdapter } from '../diffusion/adapter-slots.ts';
import type { Base } from '../diffusion/base.ts';
import { Generator } from '../diffusion/generate.ts';
import { Progress } from './output.ts';
import type { PromptLine } from './prompts.ts';

/** One column of a comparison: the base alone, or with an adapter. */
export interface CompareColumn {
  readonly title: string;
  readonly note: string;
  readonly adapter?: AppliedAdapter;
}

/**
 * Draws every prompt with every column, each row from one noise, and writes a labelled sheet.
 * One generator serves all columns; adapters only change what it is fed.
 */
export async function drawComparison(
  base: Base,
  columns: readonly CompareColumn[],
  prompts: readonly PromptLine[],
  out: string,
): Promise<void> {
  const generator = new Generator(base);
  const bar = new Progress('compare', columns.length * prompts.length);
  const cells: Picture[][] = prompts.map(() => []);
  try {
    let drawn = 0;
    // The widest adapters first: the session is then built once, with room for all.
    const order = columns.map((_, i) => i).sort((a, b) => size(columns[b]!) - size(columns[a]!));
    for (const c of order)
      for (const [r, line] of prompts.entries()) {
        const { adapter } = columns[c]!;
        const { seed = 1 + r, ...rest } = line;
        const [picture] = await generator.generate({ ...rest, seed, adapters: adapter ? [adapter] : [] });
        cells[r]![c] = { width: picture!.width, height: picture!.height, rgb: picture!.pixels };
        bar.update(++drawn);
      }
  } finally {
    bar.stop();
    await generator.release();
  }
  const sheet = await compareSheet({ columns, rows: prompts.map((p) => p.prompt), cells });
  writeFileAtomic(out, await encodePng(sheet));
}

const size = ({ adapter }: CompareColumn) => adapter?.operators.reduce((n, o) => n + o.rank, 0) ?? 0;
