import { useId } from 'preact/hooks';

interface SliderProps {
  readonly label: string;
  readonly value: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly step: number;
  /** Called while it moves. */
  readonly onInput: (value: number) => void;
  readonly disabled?: boolean;
  /** The value in words; default its number. */
  readonly text?: string;
  readonly quiet?: boolean;
}

/** A number between two others, by mouse or arrow keys. */
export function Slider(props: SliderProps) {
  const {
    label,
    value,
    minimum,
    maximum,
    step,
    onInput,
    disabled = false,
    text = String(value),
    quiet,
  } = props;
  const id = useId();
  return (
    <div class="ui-slider">
      <label for={id} class={quiet ? 'ui-hidden' : ''}>
        {label}
      </label>
      <input
        id={id}
        type="range"
        min={minimum}
        max={maximum}
        step={step}
        value={value}
        disabled={disabled}
        aria-valuetext={text}
        style={{ '--share': `${((value - minimum) / (maximum - minimum || 1)) * 100}%` }}
        onInput={(event) => onInput(Number(event.currentTarget.value))}
      />
      <output for={id}>{text}</output>
    </div>
  );
}
