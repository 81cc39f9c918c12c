import type { Translate } from '../../../remote-agent/src/common/translate.ts';
import { cutsOf, type Size } from '../../../remote-agent/src/dataset/crop.ts';
import type { Crop, SubjectPicture, SubjectView } from '../../../webview/contract/subject.ts';
import type { Problem } from '../../platform/problem.ts';
import { shortCount } from '../../prompt/describe.ts';
import { countTokens } from '../../prompt/tokens.ts';
import type { CheckContext } from '../checks/context.ts';
import type { Caption, GalleryPicture } from '../gallery.ts';
import { nameOf } from '../paths.ts';
import { targetSize } from '../sizes.ts';
import { fieldGroups } from './fields.ts';

/** What the editor is told besides what the checks know. */
export interface ViewOptions {
  readonly name: string;
  readonly editable: boolean;
  readonly trusted: boolean;
  readonly problems: readonly Problem[];
  /** Where a view finds the file of a path. */
  source(path: string): string;
}

/** A subject file as its editor shows it. */
export async function subjectView(context: CheckContext, options: ViewOptions): Promise<SubjectView> {
  const { document, gallery, bases, t } = context;
  const { name, editable, trusted, problems } = options;
  if (document.broken)
    return {
      ...{ name, trusted, editable: false, groups: [], pictures: [], problems: [] },
      broken: t(
        'This file is not valid JSON yet. Mend it as text; the form and the pictures come back then.',
      ),
    };
  const pictures = await Promise.all(
    gallery.pictures.map((picture) => pictureView(picture, context, options)),
  );
  const shown = problems.filter(({ shownElsewhere }) => !shownElsewhere);
  const told = new Set(pictures.flatMap((picture) => picture.problems.map(({ message }) => message)));
  return {
    name,
    editable,
    trusted,
    groups: fieldGroups(
      document,
      bases.map((base) => base.name),
      t,
    ),
    pictures,
    problems: shown.filter(({ message }) => !told.has(message)).map(said),
  };
}

async function pictureView(
  picture: GalleryPicture,
  context: CheckContext,
  { problems, source }: ViewOptions,
): Promise<SubjectPicture> {
  const { document, files, shelf, facts, t } = context;
  const { path, caption, heldOut } = picture;
  const inspected = await shelf.inspect(files, path).catch(() => undefined);
  const size = inspected?.size;
  const caught = document.pictures[picture.entry]?.caption?.node;
  const own = problems.filter(
    ({ related, start, shownElsewhere }) =>
      !shownElsewhere &&
      (related?.path === path ||
        (caption.path !== undefined && related?.path === caption.path) ||
        (caught && caught.offset < start && start <= caught.offset + caught.length)),
  );
  const target = targetSize(document, facts);
  // What cannot be trained on is trained at no size.
  const cuts =
    size && target && inspected && !inspected.fault
      ? crops(size, inspected.sha256, target, context)
      : undefined;
  return {
    id: path,
    name: nameOf(path),
    source: source(path),
    size: size ? written(size) : '',
    aspect: size ? size.width / size.height : 1,
    caption: caption.text,
    captionPlace: placeOf(caption, t),
    tokens: facts ? shortCount(countTokens(caption.text, facts), t) : '',
    bucket: cuts?.bucket ?? '',
    crops: cuts?.crops ?? [],
    heldOut,
    problems: own.map(said),
  };
}

const said = ({ severity, message }: Problem) => ({ severity, message });

const written = ({ width, height }: Size) => `${width} \u00d7 ${height}`;

function placeOf({ source, path }: Caption, t: Translate): string {
  if (source === 'subject') return t('in the subject file');
  if (source === 'none') return t('from trigger and class');
  return t('in {0}', nameOf(path!));
}

/** The parts of a picture that training shows, as training chooses them. */
function crops(
  original: Size,
  sha256: string,
  { step, ...target }: Size & { readonly step: number },
  { document }: CheckContext,
): { readonly bucket: string; readonly crops: Crop[] } {
  const crop = document.string(['training', 'crop']);
  const cuts = cutsOf(original, sha256, target, step, {
    crop: crop === 'random' || crop === 'buckets' ? crop : 'center',
    crops: Math.min(64, Math.max(1, document.number(['training', 'crops']) ?? 4)),
    flip: false,
    seed: document.number(['training', 'seed']) ?? 0,
  });
  return {
    bucket: written(cuts[0]!.size),
    crops: cuts.map(({ scaled, left, top, size }) => ({
      left: left / scaled.width,
      top: top / scaled.height,
      width: size.width / scaled.width,
      height: size.height / scaled.height,
    })),
  };
}
