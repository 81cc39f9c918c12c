import { dirname } from 'node:path';
import { writeFileAtomic } from '../common/files.ts';
import { encodePng, type Picture } from '../dataset/pictures.ts';
import { compareSheet } from '../dataset/sheet.ts';
import type { AppliedAdapter } from '../diffusion/adapter-slots.ts';
import type { Base } from '../diffusion/base.ts';
import { Generator } from '../diffusion/generate.ts';
import { loadApplied, promptAdapters } from './adapters.ts';
import { Progress } from './output.ts';
import { type PromptLine, readPrompts } from './prompts.ts';

/** One column of a comparison: the base alone, or with an adapter. */
export interface CompareColumn {
  readonly title: string;
  readonly note: string;
  readonly adapter?: AppliedAdapter;
}

/** One row: a prompt with the adapters that it names itself, which apply in every column after the column's own. */
export interface CompareRow extends PromptLine {
  readonly adapters: readonly AppliedAdapter[];
}

/** The rows of a prompt file; adapters named by a relative path lie beside it. */
export function readRows(path: string, base: Base): CompareRow[] {
  return readPrompts(path).map((line) => ({
    ...line,
    adapters: promptAdapters(line, dirname(path)).map((wanted) => loadApplied(wanted, base)),
  }));
}

/**
 * Draws every prompt with every column, each row from one noise, and writes a labelled sheet.
 * One generator serves all columns; adapters only change what it is fed.
 */
export async function drawComparison(
  base: Base,
  columns: readonly CompareColumn[],
  rows: readonly CompareRow[],
  out: string,
): Promise<void> {
  const generator = new Generator(base);
  const bar = new Progress('compare', columns.length * rows.length);
  const together = (column: CompareColumn, row: CompareRow) =>
    column.adapter ? [column.adapter, ...row.adapters] : row.adapters;
  const cells: Picture[][] = rows.map(() => []);
  try {
    let drawn = 0;
    for (const column of columns) for (const row of rows) generator.reserve(together(column, row));
    for (const column of columns)
      for (const [r, row] of rows.entries()) {
        const { seed = 1 + r, ...rest } = row;
        const [picture] = await generator.generate({ ...rest, seed, adapters: together(column, row) });
        cells[r]!.push({ width: picture!.width, height: picture!.height, rgb: picture!.pixels });
        bar.update(++drawn);
      }
  } finally {
    bar.stop();
    await generator.release();
  }
  const sheet = await compareSheet({ columns, rows: rows.map((row) => row.prompt), cells });
  writeFileAtomic(out, await encodePng(sheet));
}
