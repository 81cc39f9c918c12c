import { t } from '../ui/l10n.ts';
import { attempt, host, said } from './state.ts';

/** Kinds that the editor uses for files that are dragged from its own explorer. */
const uriKinds = ['application/vnd.code.uri-list', 'text/uri-list'];

const endings: Readonly<Record<string, string>> = {
  'image/png': '.png',
  'image/jpeg': '.jpg',
  'image/webp': '.webp',
};

/** Adds the pictures of a drop or of the clipboard: files with their bytes, else files that the editor knows. */
export async function takeFiles(data: DataTransfer): Promise<void> {
  const files = [...data.files].filter(({ type }) => type in endings);
  const uris = uriKinds.map((kind) => data.getData(kind)).filter((text) => text !== '');
  if (data.files.length === 0 && uris.length === 0) return;
  await attempt(async () => {
    if (files.length === 0 && uris.length === 0)
      throw new Error(t('Only PNG, JPEG and WebP pictures can be added.'));
    if (files.length > 0) {
      const dropped = await Promise.all(
        files.map(async (file) => ({ name: nameFor(file), bytes: await file.arrayBuffer() })),
      );
      await host.call('addFiles', { files: dropped });
    } else await host.call('addUris', { uris });
    said.value = t('Pictures were added.');
  });
}

/** A pasted picture has no name worth keeping. */
const nameFor = ({ name, type }: File): string =>
  name === '' || name === 'image.png' ? `picture${endings[type]}` : name;

/** Whether something that is dragged may hold pictures. */
export const mayHoldPictures = ({ types }: DataTransfer): boolean =>
  types.some((kind) => kind === 'Files' || uriKinds.includes(kind.toLowerCase()));
