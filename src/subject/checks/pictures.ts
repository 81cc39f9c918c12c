import { nearWords } from '../../../remote-agent/src/common/nearest.ts';
import type { Translate } from '../../../remote-agent/src/common/translate.ts';
import {
  bucketSizes,
  enlargement,
  largestEnlargement,
  nearestBucket,
  type Size,
} from '../../../remote-agent/src/dataset/crop.ts';
import type { Fix, Problem } from '../../platform/problem.ts';
import { setValue } from '../changes.ts';
import type { Entry } from '../document.ts';
import { removeEntry } from '../editor/pictures.ts';
import { isPicture } from '../expand.ts';
import { entryFor, entryPath, folderOf, nameOf } from '../paths.ts';
import type { PictureFault } from '../picture.ts';
import { targetSize } from '../sizes.ts';
import { type CheckContext, problemAt, replaceString } from './context.ts';

/** Fewer pictures than this teach what is around the subject as well. */
const enough = 4;

/** Problems of the pictures themselves: missing, broken, too small, too few. */
export async function pictureProblems(context: CheckContext): Promise<Problem[]> {
  const { document, gallery, t } = context;
  const entries = document.pictures;
  const problems: Problem[] = [];
  for (const i of gallery.missing) problems.push(await missing(context, entries[i]!));
  for (const i of gallery.missingHeldOut) problems.push(await missing(context, document.heldOut[i]!));
  for (const { path, entry } of gallery.pictures)
    problems.push(...(await judged(context, entries[entry]!, path)));
  const trained = gallery.pictures.filter(({ heldOut }) => !heldOut).length;
  const list = document.node(['pictures']);
  if (list && entries.length > 0 && gallery.missing.length === 0 && trained < enough)
    problems.push({
      code: 'few-pictures',
      severity: trained === 0 ? 'error' : 'warning',
      message:
        trained === 0
          ? t('No picture is left to train on: all are held out for validation.')
          : trained === 1
            ? t('One picture to train on; five or six from different sides are enough.')
            : t('{0} pictures to train on; five or six from different sides are enough.', trained),
      start: list.offset,
      end: list.offset + 1,
    });
  return problems;
}

async function missing(context: CheckContext, { at, node, text }: Entry): Promise<Problem> {
  const { document, folder, files, t } = context;
  const path = entryPath(folder, text);
  const beside = (await files.list(folderOf(path))).filter((child) => !child.folder && isPicture(child.name));
  const similar = nearWords(
    nameOf(path),
    beside.map(({ name }) => name),
  );
  const fixes: Fix[] = similar.slice(0, 3).flatMap((name, i) => {
    const entry = entryFor(folder, `${folderOf(path)}/${name}`);
    return entry === undefined ? [] : [replaceString(node, entry, t('Use "{0}"', entry), i === 0)];
  });
  const remove = { title: t('Remove "{0}"', text), changes: setValue(document.text, at, undefined) };
  const message = /[*?{[]/.test(text)
    ? t('No picture is found for "{0}".', text)
    : t('There is no "{0}" beside this file.', text);
  return problemAt(node, 'missing-picture', 'error', message, { fixes: [...fixes, remove] });
}

async function judged(context: CheckContext, entry: Entry, path: string): Promise<Problem[]> {
  const { document, folder, gallery, files, shelf, t } = context;
  const name = nameOf(path);
  const removed = () => removeEntry(document.text, folder, gallery, path);
  const sole = entryPath(folder, entry.text) === path;
  const fixes = sole ? [{ title: t('Remove "{0}"', entry.text), changes: removed() }] : [];
  const broken = (message: string) =>
    problemAt(entry.node, 'broken-picture', 'error', message, {
      // What names a whole folder names the others instead, one by one.
      fixes: sole ? fixes : [{ title: t('Leave out {0}, and name the others', name), changes: removed() }],
      related,
    });
  const related = { path, message: name };
  let facts: Awaited<ReturnType<typeof shelf.inspect>>;
  try {
    facts = await shelf.inspect(files, path);
  } catch {
    return [broken(t('The picture {0} cannot be read.', name))];
  }
  if (facts.fault) return [broken(faultText(facts.fault, name, t))];
  return tooSmall(context, entry, name, facts.size, { fixes, related });
}

/** A fault in words. */
export function faultText(fault: PictureFault, name: string, t: Translate): string {
  if (fault === 'no-picture') return t('{0} is not a readable picture.', name);
  if (fault === 'cut-off')
    return t('The picture {0} is damaged or cut off: copy or download it again.', name);
  if (fault === 'animated')
    return t('The picture {0} is animated: save one of its frames as a still picture.', name);
  return t('{0} is of another format: save it as PNG, JPEG or WebP.', name);
}

function tooSmall(
  context: CheckContext,
  { node }: Entry,
  name: string,
  size: Size,
  more: Pick<Problem, 'fixes' | 'related'>,
): Problem[] {
  const { document, facts, t } = context;
  const target = targetSize(document, facts);
  if (!target) return [];
  const { step, ...square } = target;
  const buckets = document.string(['training', 'crop']) === 'buckets';
  const needed = buckets ? nearestBucket(size, bucketSizes(square, step)) : square;
  const factor = enlargement(size, needed);
  const [have, want] = [`${size.width} \u00d7 ${size.height}`, `${needed.width} \u00d7 ${needed.height}`];
  if (factor > largestEnlargement)
    return [
      problemAt(
        node,
        'small-picture',
        'error',
        t('The picture {0} is too small: {1} pixels, and {2} are trained on.', name, have, want),
        more,
      ),
    ];
  if (factor <= 1) return [];
  const message = t('The picture {0} ({1} pixels) is made larger to {2}, which blurs it.', name, have, want);
  return [problemAt(node, 'enlarged-picture', 'information', message, more)];
}
