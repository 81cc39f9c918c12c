import { type Stats, statSync } from 'node:fs';
import { ParaError } from '../common/errors.ts';
import { sizeText } from '../common/size-text.ts';
import { checkWeightFiles, type WeightFiles } from './checkpoint/weight-files.ts';

const stateOf = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

/**
 * Remembers the files of a base that was just opened.
 * @param own paths of those in its folder
 * @param hash its content hash, or `undefined` where nobody asked for it yet; called with `true` it is made anew
 * @returns throws ParaError `base`, with the file and how it differs, when the base is not what it was
 */
export function watchBase(
  directory: string,
  own: readonly string[],
  elsewhere: WeightFiles | undefined,
  hash: (anew: boolean) => string | undefined,
): () => void {
  const before = new Map(own.map((path) => [path, statSync(path)]));
  const differs = (where: string) =>
    new ParaError('base', 'The base was changed while it was in use', {
      where,
      hint: `bring its former files back (${directory}), or begin again with what it is now`,
    });
  return () => {
    if (elsewhere) checkWeightFiles(directory, elsewhere);
    let touched: string | undefined;
    for (const [path, { size, mtimeMs }] of before) {
      const now = stateOf(path);
      if (!now) throw differs(`${path}: it is gone`);
      if (now.size !== size) throw differs(`${path}: ${sizeText(now.size)} now, ${sizeText(size)} before`);
      if (now.mtimeMs !== mtimeMs) touched ??= path;
    }
    if (touched === undefined) return;
    const known = hash(false);
    if (known === undefined || hash(true) !== known) throw differs(`${touched}: it was written anew`);
    // The same bytes under another time: not to be read again each time.
    for (const path of before.keys()) before.set(path, statSync(path));
  };
}
