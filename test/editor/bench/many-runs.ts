import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Editor } from '../driver/editor.ts';

/** How many runs the history is filled with. */
export const runsOfYears = 10_000;

/** Makes of a finished run as many older ones, as the history knows runs that nobody opens: what they were and became. */
export function fillHistory(run: string, runs: string): void {
  const spec = JSON.parse(readFileSync(join(run, 'spec.json'), 'utf8'));
  for (let i = 0; i < runsOfYears; i++) {
    const createdAt = new Date(Date.UTC(2010, 0, 1) + i * 3_600_000).toISOString();
    const folder = join(runs, `${createdAt.slice(0, 10).replaceAll('-', '')}-dog-para-${i}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'spec.json'), JSON.stringify({ ...spec, createdAt }));
    copyFileSync(join(run, 'status.json'), join(folder, 'status.json'));
  }
}

/** From the window that is loaded again to the history in the sidebar with all of its runs, in ms. @param all how many */
export async function historyTime(editor: Editor, all: number): Promise<number> {
  await editor.reload();
  const begun = performance.now();
  await editor.views.open('PaRa Studio');
  const shown = new RegExp(`^dog \\| ${all.toLocaleString('en').replace(',', ',?')}`);
  for (;;) {
    const [first] = await editor.views.rows('Runs');
    if (first && shown.test(first)) return performance.now() - begun;
    if (performance.now() - begun > 300_000) throw new Error(`The history shows ${first}`);
    await sleep(20);
  }
}
