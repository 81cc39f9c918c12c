import { signal } from '@preact/signals';
import type { SubjectView } from '../contract/subject.ts';
import { Button } from '../ui/button.tsx';
import { Checkbox } from '../ui/fields.tsx';
import { t } from '../ui/l10n.ts';
import { CaptionChange } from './caption-change.tsx';
import { PictureCard } from './picture-card.tsx';
import { attempt, host, look, ui } from './state.ts';
import { mayHoldPictures, takeFiles } from './take-files.ts';

/** Whether pictures hang over the gallery. */
const over = signal(false);

/** The pictures of the subject; takes more by a button, drag and drop, or paste. */
export function Gallery({ subject }: { readonly subject: SubjectView }) {
  const { pictures, editable } = subject;
  const add = () => void attempt(() => host.call('addPictures', {}));
  const hang = (event: DragEvent) => {
    if (!editable || !event.dataTransfer || !mayHoldPictures(event.dataTransfer)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    over.value = true;
  };
  return (
    <section
      aria-label={t('Pictures')}
      class="subject-gallery"
      data-over={over.value}
      onDragEnter={hang}
      onDragOver={hang}
      onDragLeave={() => {
        over.value = false;
      }}
      onDrop={(event) => {
        event.preventDefault();
        over.value = false;
        if (editable && event.dataTransfer) void takeFiles(event.dataTransfer);
      }}
    >
      <div class="ui-row">
        <h2>{pictures.length === 1 ? t('1 picture') : t('{0} pictures', pictures.length)}</h2>
        <Button icon="add" disabled={!editable} onClick={add}>
          {t('Add Pictures')}
        </Button>
        <Checkbox
          label={t('Show what is trained on')}
          value={ui.value.crops}
          onChange={(crops) => look({ crops })}
        />
        <span class="ui-spread" />
        <Buckets subject={subject} />
      </div>
      {editable && pictures.length > 0 && <CaptionChange pictures={pictures} />}
      {pictures.length === 0 ? (
        <p class="subject-empty">
          {t(
            'No pictures yet. Add five or six: with the button, by pasting, or by dragging them here with Shift held.',
          )}
        </p>
      ) : (
        <ul class="subject-cards">
          {pictures.map((picture) => (
            <PictureCard key={picture.id} picture={picture} editable={editable} />
          ))}
        </ul>
      )}
    </section>
  );
}

/** How many pictures are trained at which size. */
function Buckets({ subject: { pictures } }: { readonly subject: SubjectView }) {
  const counts = new Map<string, number>();
  for (const { bucket } of pictures) if (bucket) counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  if (counts.size === 0) return null;
  return (
    <p class="ui-quiet">
      {t('Trained at: {0}', [...counts].map(([size, count]) => `${size} (${count})`).join(', '))}
    </p>
  );
}
