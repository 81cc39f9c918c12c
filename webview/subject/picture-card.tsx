import type { Crop, SubjectPicture } from '../contract/subject.ts';
import { IconButton } from '../ui/button.tsx';
import { TextArea } from '../ui/fields.tsx';
import { Icon } from '../ui/icons.tsx';
import { t } from '../ui/l10n.ts';
import { Picture } from '../ui/picture.tsx';
import { Problem, severities } from './problem.tsx';
import { attempt, host, said, ui } from './state.ts';

interface CardProps {
  readonly picture: SubjectPicture;
  readonly editable: boolean;
}

/** Height of all pictures, as in the style sheet, in CSS pixels. */
const frameHeight = 180;

const share = (part: number) => `${part * 100}%`;

/** The outline of a part that training shows; what lies outside is dimmed where there is only one. */
const Outline = ({ crop, single }: { readonly crop: Crop; readonly single: boolean }) => (
  <div
    class="subject-crop"
    data-single={single}
    style={{
      left: share(crop.left),
      top: share(crop.top),
      width: share(crop.width),
      height: share(crop.height),
    }}
  />
);

/** One picture with its caption. */
export function PictureCard({ picture, editable }: CardProps) {
  const { id, name, caption, crops } = picture;
  const facts = [picture.size, picture.bucket && t('trained at {0}', picture.bucket)].filter(Boolean);
  const { problems } = picture;
  const worst = severities.find((one) => problems.some(({ severity }) => severity === one));
  return (
    <li class="subject-card" data-problem={worst}>
      <div class="subject-frame">
        <button
          type="button"
          class="subject-open"
          aria-label={t('Open {0}', name)}
          onClick={() => void attempt(() => host.call('act', { action: 'picture', id }))}
        >
          <div
            class="subject-picture"
            style={{
              aspectRatio: String(picture.aspect),
              width: `min(100%, ${frameHeight * picture.aspect}px)`,
            }}
          >
            {picture.size === '' ? (
              <Icon name="error" />
            ) : (
              <Picture source={picture.source} description={caption || name} lazy />
            )}
            {ui.value.crops &&
              crops.map((crop, i) => (
                <Outline key={`${i}:${crop.left}:${crop.top}`} crop={crop} single={crops.length === 1} />
              ))}
          </div>
        </button>
        {editable && (
          <span class="subject-remove">
            <IconButton
              icon="close"
              label={t('Remove {0}', name)}
              onClick={() =>
                void attempt(async () => {
                  await host.call('removePicture', { id });
                  said.value = t('{0} was removed.', name);
                })
              }
            />
          </span>
        )}
      </div>
      <h3 title={name}>{name}</h3>
      <p class="ui-quiet">
        {facts.join(', ')}
        {picture.heldOut && <span class="subject-mark">{t('validation')}</span>}
      </p>
      <TextArea
        label={t('Caption of {0}', name)}
        quiet
        value={caption}
        rows={2}
        disabled={!editable}
        onCommit={(text) => {
          if (text !== caption) void attempt(() => host.call('setCaption', { id, caption: text }));
        }}
      />
      <p class="ui-quiet">{[picture.tokens, picture.captionPlace].filter(Boolean).join(', ')}</p>
      {problems.map(({ severity, message }) => (
        <Problem key={message} kind={severity} text={message} />
      ))}
    </li>
  );
}
