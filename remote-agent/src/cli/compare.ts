import { dirname } from 'node:path';
import { writeFileAtomic } from '../common/files.ts';
import { encodePng, type Picture } from '../dataset/pictures.ts';
import { compareSheet } from '../dataset/sheet.ts';
import { drawingDefaults } from '../diffusion/generate.ts';
import type { PromptLine } from '../diffusion/prompt-lines.ts';
import { adapterHash, promptAdapters, type WantedAdapter } from './adapters.ts';
import { Progress } from './output.ts';
import { readPrompts } from './prompts.ts';
import type { RecipeAdapters, Studio } from './studio.ts';

/** One column of a comparison: the base alone, or with an adapter. */
export interface CompareColumn {
  readonly title: string;
  readonly note: string;
  readonly adapter?: WantedAdapter;
}

/** One row: a prompt with the adapters that it names itself, which apply in every column after the column's own. */
export interface CompareRow extends PromptLine {
  readonly adapters: readonly WantedAdapter[];
}

/** The rows of a prompt file; adapters named by a relative path lie beside it. */
export const readRows = (path: string): CompareRow[] =>
  readPrompts(path).map((line) => ({ ...line, adapters: promptAdapters(line, dirname(path)) }));

/**
 * Draws every prompt with every column, each row from one noise, and writes a labelled sheet.
 * One session serves all columns; adapters only change what it is fed.
 */
export async function drawComparison(
  studio: Studio,
  columns: readonly CompareColumn[],
  rows: readonly CompareRow[],
  out: string,
): Promise<void> {
  const bar = new Progress('compare', columns.length * rows.length, 0, 'pictures');
  const cells: Picture[][] = rows.map(() => []);
  const together = recipeAdapters();
  const { name: base, hash: baseHash, width, height } = studio.base;
  try {
    let drawn = 0;
    studio.reserve(columns.flatMap((column) => rows.map((row) => together(column, row))));
    for (const column of columns)
      for (const [r, { adapters: _, ...row }] of rows.entries()) {
        const recipe = {
          ...{ base, baseHash, width, height, negative: '', seed: 1 + r, ...drawingDefaults, ...row },
          adapters: together(column, rows[r]!),
        };
        const [made] = await studio.draw(recipe, 1, { step: () => {}, note: (text) => bar.say(text) });
        cells[r]!.push(made!.picture);
        bar.update(++drawn);
      }
  } finally {
    bar.stop();
  }
  const sheet = await compareSheet({ columns, rows: rows.map((row) => row.prompt), cells });
  writeFileAtomic(out, await encodePng(sheet));
}

/** The adapters of a cell as its recipe names them; files are read for their hash only once. */
function recipeAdapters(): (column: CompareColumn, row: CompareRow) => RecipeAdapters {
  const hashes = new Map<string, string>();
  const hashed = (wanted: WantedAdapter) => {
    const hash = hashes.get(wanted.file) ?? adapterHash(wanted.file);
    hashes.set(wanted.file, hash);
    return { ...wanted, hash };
  };
  return ({ adapter }, row) => [...(adapter ? [adapter] : []), ...row.adapters].map(hashed);
}
