import { useState } from 'preact/hooks';
import type { Field, FieldGroup } from '../contract/subject.ts';
import { Select, TextArea, TextField } from '../ui/fields.tsx';
import { t } from '../ui/l10n.ts';
import { host, isOpen, setOpen } from './state.ts';

interface FieldProps {
  readonly field: Field;
  readonly editable: boolean;
}

/** The settings of the file, group by group; the subject's own are always in view. */
export function Settings({
  groups,
  editable,
}: {
  readonly groups: readonly FieldGroup[];
  readonly editable: boolean;
}) {
  const [own, ...others] = groups;
  return (
    <section aria-label={t('Settings')} class="subject-settings">
      {own && <Group group={own} editable={editable} />}
      {others.map((group) => (
        <details
          key={group.label}
          open={isOpen(group.label)}
          onToggle={(event) => setOpen(group.label, event.currentTarget.open)}
        >
          <summary>
            <h2>{group.label}</h2>
            <span class="ui-quiet">{written(group) || group.description}</span>
          </summary>
          <Group group={group} editable={editable} />
        </details>
      ))}
    </section>
  );
}

/** What the file says of a group, in a line. */
const written = ({ fields }: FieldGroup): string =>
  fields
    .filter(({ text }) => text !== '')
    .map(({ label, text }) => `${label}: ${text.replaceAll('\n', '; ')}`)
    .join(', ');

const Group = ({ group, editable }: { readonly group: FieldGroup; readonly editable: boolean }) => (
  <div class="subject-fields">
    {group.fields.map((field) => (
      <div class="subject-field" key={field.at.join('.')} data-wide={field.kind === 'lines'}>
        <Input field={field} editable={editable} />
        <p class="ui-quiet">{field.description}</p>
      </div>
    ))}
  </div>
);

function Input({ field, editable }: FieldProps) {
  const { label, text, fallback, choices } = field;
  const [problem, setProblem] = useState<string>();
  const set = (value: string) => {
    setProblem(undefined);
    if (value === text) return;
    host.call('setField', { at: field.at, text: value }).catch((cause: Error) => setProblem(cause.message));
  };
  const common = { label, disabled: !editable, problem };
  if (field.kind === 'switch' || field.kind === 'choice') {
    const values = field.kind === 'switch' ? ['true', 'false'] : choices;
    const spoken = (value: string) =>
      field.kind === 'switch' ? (value === 'true' ? t('yes') : t('no')) : value;
    const unset = fallback ? t('{0} (default)', spoken(fallback)) : t('not set');
    return (
      <Select
        label={label}
        disabled={!editable}
        value={text}
        choices={[{ value: '', label: unset }, ...values.map((value) => ({ value, label: spoken(value) }))]}
        onChange={set}
      />
    );
  }
  if (field.kind === 'lines')
    return <TextArea {...common} value={text} placeholder={fallback} rows={3} onCommit={set} />;
  return <TextField {...common} value={text} placeholder={fallback} onCommit={set} />;
}
