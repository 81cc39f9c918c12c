import { useState } from 'preact/hooks';
import type { Pinned } from '../contract/run.ts';
import { t } from '../ui/l10n.ts';
import { Picture } from '../ui/picture.tsx';
import { PictureDialog } from '../ui/picture-dialog.tsx';

/** Pictures of comparisons that were kept with the run. */
export function PinnedPictures({ pinned }: { readonly pinned: readonly Pinned[] }) {
  const [full, setFull] = useState<Pinned>();
  if (pinned.length === 0) return null;
  return (
    <section class="run-part" aria-labelledby="pinned">
      <h2 id="pinned">{t('Pinned')}</h2>
      <ul class="run-pinned">
        {pinned.map((picture) => (
          <li key={picture.source}>
            <button type="button" class="run-large" title={picture.name} onClick={() => setFull(picture)}>
              <Picture lazy source={picture.source} description={picture.name} />
            </button>
          </li>
        ))}
      </ul>
      {full && <PictureDialog label={full.name} source={full.source} onClose={() => setFull(undefined)} />}
    </section>
  );
}
