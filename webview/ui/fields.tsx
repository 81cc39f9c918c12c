import { useEffect, useId, useReducer, useRef } from 'preact/hooks';
import { named } from './toolkit.ts';

interface Valued extends HTMLElement {
  value: string;
}
const textOf = (event: Event) => (event.currentTarget as Valued).value;

interface FieldProps<T> {
  /** Stands above the field and is its name. */
  readonly label: string;
  readonly value: T;
  readonly disabled?: boolean;
  /** The label is said, not shown. */
  readonly quiet?: boolean;
}

interface CheckboxProps extends Omit<FieldProps<boolean>, 'quiet'> {
  readonly onChange: (value: boolean) => void;
}

export const Checkbox = ({ label, value, onChange, disabled = false }: CheckboxProps) => (
  <vscode-checkbox
    checked={value}
    disabled={disabled}
    onChange={(event: Event) => {
      // The element tells of changes that came from here too.
      const { checked } = event.currentTarget as HTMLInputElement;
      if (checked !== value) onChange(checked);
    }}
  >
    {label}
  </vscode-checkbox>
);

export interface Choice<T extends string = string> {
  readonly value: T;
  readonly label: string;
}

interface SelectProps<T extends string> extends FieldProps<T> {
  readonly choices: readonly Choice<T>[];
  readonly onChange: (value: T) => void;
}

/** One of a list. */
export function Select<T extends string>(props: SelectProps<T>) {
  const { label, value, choices, onChange, disabled = false, quiet = false } = props;
  const element = useRef<HTMLElement>(null);
  const id = useId();
  // The element takes a value only once it has the option.
  useEffect(() => {
    (element.current as Valued).value = value;
  }, [value, choices]);
  return (
    <div class="ui-field">
      {!quiet && <label for={id}>{label}</label>}
      <vscode-dropdown
        title={quiet ? label : undefined}
        class="ui-select"
        id={id}
        ref={element}
        aria-label={label}
        disabled={disabled}
        onChange={(event: Event) => {
          const chosen = textOf(event) as T;
          if (chosen !== value) onChange(chosen);
        }}
      >
        {choices.map((choice) => (
          <vscode-option key={choice.value} value={choice.value}>
            {choice.label}
          </vscode-option>
        ))}
      </vscode-dropdown>
    </div>
  );
}

/** What is typed stands until it is committed: what is told of the value meanwhile does not come between. */
function useDraft(value: string) {
  const draft = useRef<string>();
  const [, renderAgain] = useReducer((count: number) => count + 1, 0);
  return {
    shown: draft.current ?? value,
    typed: (text: string) => {
      draft.current = text;
    },
    committed: () => {
      draft.current = undefined;
    },
    /** Left without a commit, the field shows what the value is by now. */
    left: () => {
      if (draft.current === undefined) return;
      draft.current = undefined;
      renderAgain(undefined);
    },
  };
}

interface TextProps extends FieldProps<string> {
  /** Called when the field is left or Enter is pressed. */
  readonly onCommit: (value: string) => void;
  /** Called with every sign. */
  readonly onInput?: (value: string) => void;
  readonly placeholder?: string;
  /** What is wrong with the value. */
  readonly problem?: string | undefined;
}

export function TextField(props: TextProps) {
  const { label, value, onCommit, onInput, placeholder, problem, disabled = false, quiet = false } = props;
  const { shown, typed, committed, left } = useDraft(value);
  const commit = (event: Event) => {
    committed();
    if (textOf(event) !== value || onInput) onCommit(textOf(event));
  };
  return (
    <div class="ui-field" data-problem={problem !== undefined}>
      {!quiet && <span aria-hidden="true">{label}</span>}
      <vscode-text-field
        value={shown}
        placeholder={placeholder}
        ref={named(label)}
        aria-invalid={problem !== undefined}
        disabled={disabled}
        onInput={(event: Event) => {
          typed(textOf(event));
          onInput?.(textOf(event));
        }}
        onChange={commit}
        onFocusOut={left}
      />
      {problem && <span role="alert">{problem}</span>}
    </div>
  );
}

interface TextAreaProps extends TextProps {
  readonly rows?: number;
  /** Called for Ctrl+Enter (Cmd+Enter), after the value is committed. */
  readonly onSubmit?: () => void;
}

export function TextArea(props: TextAreaProps) {
  const { label, value, onCommit, onInput, onSubmit, placeholder, problem, rows = 2, quiet = false } = props;
  const { shown, typed, committed, left } = useDraft(value);
  const commit = (event: Event) => {
    committed();
    onCommit(textOf(event));
  };
  return (
    <div class="ui-field" data-problem={problem !== undefined}>
      {!quiet && <span aria-hidden="true">{label}</span>}
      <vscode-text-area
        value={shown}
        placeholder={placeholder}
        rows={rows}
        resize="vertical"
        ref={named(label)}
        aria-invalid={problem !== undefined}
        disabled={props.disabled ?? false}
        onInput={(event: Event) => {
          typed(textOf(event));
          onInput?.(textOf(event));
        }}
        onChange={commit}
        onFocusOut={left}
        onKeyDown={(event: KeyboardEvent) => {
          if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
          event.preventDefault();
          commit(event);
          onSubmit?.();
        }}
      />
      {problem && <span role="alert">{problem}</span>}
    </div>
  );
}

interface NumberProps extends FieldProps<number> {
  readonly onCommit: (value: number) => void;
  readonly minimum: number;
  readonly maximum: number;
  /** Whole numbers only. */
  readonly whole?: boolean;
}

/** A text field that takes numbers; what is none, or out of range, is put back. */
export function NumberField({ value, onCommit, minimum, maximum, whole = false, ...rest }: NumberProps) {
  const take = (text: string) => {
    const number = Number(text.trim().replace(',', '.'));
    const fits = text.trim() !== '' && Number.isFinite(number) && (!whole || Number.isInteger(number));
    onCommit(fits ? Math.min(maximum, Math.max(minimum, number)) : value);
  };
  return (
    <div class="ui-number">
      <TextField {...rest} value={String(value)} onCommit={take} />
    </div>
  );
}

interface RadioProps<T extends string> extends FieldProps<T> {
  readonly choices: readonly Choice<T>[];
  readonly onChange: (value: T) => void;
}

/** One of a few, all of them in view. */
export function RadioGroup<T extends string>({ label, value, choices, onChange, quiet }: RadioProps<T>) {
  return (
    <vscode-radio-group
      value={value}
      aria-label={label}
      onChange={(event: Event) => {
        const chosen = textOf(event) as T;
        if (chosen !== value) onChange(chosen);
      }}
    >
      {!quiet && <span slot="label">{label}</span>}
      {choices.map((choice) => (
        <vscode-radio key={choice.value} value={choice.value}>
          {choice.label}
        </vscode-radio>
      ))}
    </vscode-radio-group>
  );
}
