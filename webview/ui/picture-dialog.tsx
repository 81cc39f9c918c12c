import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { Dialog } from './dialog.tsx';
import { t } from './l10n.ts';
import { Scroller } from './scroller.tsx';
import { Slider } from './slider.tsx';

/** Times its own size; 0 fits it to the screen. */
const zoom = signal(0);

interface PictureDialogProps {
  readonly label: string;
  readonly source: string;
  /** What is said of it below. */
  readonly note?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly onClose: () => void;
}

/** A picture as large as the view, or larger. */
export function PictureDialog({ label, source, note, actions, onClose }: PictureDialogProps) {
  const text = zoom.value === 0 ? t('fitted') : `${zoom.value * 100} %`;
  const size = (event: Event) => {
    const picture = event.currentTarget as HTMLImageElement;
    picture.style.setProperty('--width', `${picture.naturalWidth}px`);
    picture.dataset.small = String(picture.naturalWidth <= 512);
  };
  return (
    <Dialog
      label={label}
      onClose={onClose}
      actions={
        <>
          {actions}
          <Slider
            label={t('Zoom')}
            value={zoom.value}
            minimum={0}
            maximum={8}
            step={1}
            text={text}
            onInput={(value) => {
              zoom.value = value;
            }}
          />
        </>
      }
    >
      <Scroller
        class={zoom.value === 0 ? 'ui-picture-frame ui-fit' : 'ui-picture-frame'}
        label={t('Picture')}
      >
        <img
          class="ui-picture"
          src={source}
          alt={label}
          crossOrigin="anonymous"
          style={zoom.value === 0 ? {} : { width: `calc(var(--width) * ${zoom.value})` }}
          onLoad={size}
        />
      </Scroller>
      {note && <div class="ui-picture-note">{note}</div>}
    </Dialog>
  );
}
