import { signal } from '@preact/signals';
import type { SubjectPicture } from '../contract/subject.ts';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/fields.tsx';
import { t } from '../ui/l10n.ts';
import { attempt, host, isOpen, said, setOpen } from './state.ts';

const prefix = signal('');
const find = signal('');
const replacement = signal('');

/** Changes that are made to all captions at once. */
export function CaptionChange({ pictures }: { readonly pictures: readonly SubjectPicture[] }) {
  const change = (wanted: string, text: string) =>
    void attempt(async () => {
      const ids = pictures.map(({ id }) => id);
      const { changed } = await host.call('changeCaptions', { ids, find: wanted, text });
      said.value = t('{0} captions were changed.', changed);
    });
  const matching =
    find.value === '' ? 0 : pictures.filter(({ caption }) => caption.includes(find.value)).length;
  const keep = (field: typeof prefix) => (value: string) => {
    field.value = value;
  };
  return (
    <details
      class="subject-bulk"
      open={isOpen('captions')}
      onToggle={(event) => setOpen('captions', event.currentTarget.open)}
    >
      <summary>{t('Change all captions')}</summary>
      <div class="ui-row">
        <TextField
          label={t('Put in front')}
          value={prefix.value}
          onInput={keep(prefix)}
          onCommit={keep(prefix)}
        />
        <Button disabled={prefix.value === ''} onClick={() => change('', prefix.value)}>
          {t('Put in Front')}
        </Button>
      </div>
      <div class="ui-row">
        <TextField label={t('Find')} value={find.value} onInput={keep(find)} onCommit={keep(find)} />
        <TextField
          label={t('Replace by')}
          value={replacement.value}
          onInput={keep(replacement)}
          onCommit={keep(replacement)}
        />
        <Button disabled={matching === 0} onClick={() => change(find.value, replacement.value)}>
          {matching === 1 ? t('Replace in 1 Caption') : t('Replace in {0} Captions', matching)}
        </Button>
      </div>
    </details>
  );
}
