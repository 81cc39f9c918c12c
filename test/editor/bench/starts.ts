import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Editor } from '../driver/editor.ts';

/** How often the window is loaded again. */
const again = 4;

/**
 * What each start of the extension took of its host's thread, in ms, by its own log: the first, and those of windows
 * loaded again.
 */
export async function starts(editor: Editor): Promise<number[]> {
  for (let i = 0; i < again; i++) {
    await editor.reload();
    await editor.views.open('PaRa Studio');
    await editor.settled();
  }
  const logs = join(editor.server.folder, 'data/logs');
  const written = readdirSync(logs, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('PaRa Studio.log'))
    .sort();
  const took = written.flatMap((path) =>
    [...readFileSync(join(logs, path), 'utf8').matchAll(/Started in ([\d.]+) ms/g)].map(([, ms]) =>
      Number(ms),
    ),
  );
  if (took.length !== again + 1) throw new Error(`The log tells of ${took.length} starts`);
  return took;
}
