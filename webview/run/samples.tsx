import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { RunView, Sample } from '../contract/run.ts';
import { Button } from '../ui/button.tsx';
import { Checkbox } from '../ui/fields.tsx';
import { t } from '../ui/l10n.ts';
import { Picture } from '../ui/picture.tsx';
import { PictureDialog } from '../ui/picture-dialog.tsx';
import { Slider } from '../ui/slider.tsx';
import { Swipe } from '../ui/swipe.tsx';
import { host, look, ui } from './state.ts';

/** Samples by step and prompt: one large, all small, two steps one over the other. */
export function Samples({ run }: { readonly run: RunView }) {
  const [full, setFull] = useState<Sample>();
  const { samples, prompts } = run;
  const steps = [...new Set(samples.map(({ step }) => step))];
  const { step: wanted, prompt, other } = ui.value;
  const step = wanted !== undefined && steps.includes(wanted) ? wanted : steps.at(-1);
  const at = (s: number | undefined, p = prompt) => samples.find((one) => one.step === s && one.prompt === p);
  const shown = at(step);
  const second = other === undefined ? undefined : at(other);
  /** The newest is followed as long as nobody looks at another. */
  const choose = (s: number, p = prompt) => look({ step: s === steps.at(-1) ? undefined : s, prompt: p });
  return (
    <section class="run-part" aria-labelledby="samples">
      <div class="ui-row">
        <h2 id="samples">{t('Samples')}</h2>
        {steps.length > 1 && (
          <Checkbox
            label={t('Compare two steps')}
            value={other !== undefined}
            onChange={(on) => look({ other: on ? steps[0] : undefined })}
          />
        )}
      </div>
      {shown ? (
        <>
          <div class="run-stage">
            {second ? (
              <Swipe
                left={{ source: second.source, label: t('Step {0}', second.step) }}
                right={{ source: shown.source, label: t('Step {0}', shown.step) }}
              />
            ) : (
              <button
                type="button"
                class="run-large"
                title={t('Show in full size')}
                onClick={() => setFull(shown)}
              >
                <Picture source={shown.source} description={describe(shown, prompts)} />
              </button>
            )}
            <div class="run-stage-side">
              <p>{prompts[shown.prompt]}</p>
              <p class="ui-quiet">{t('Step {0}, seed {1}', shown.step, shown.seed)}</p>
              {steps.length > 1 && (
                <StepSlider label={t('Step')} step={shown.step} steps={steps} onInput={choose} />
              )}
              {second && (
                <StepSlider
                  label={t('Compared with step')}
                  step={second.step}
                  steps={steps}
                  onInput={(step) => look({ other: step })}
                />
              )}
              <Slider
                label={t('Small pictures')}
                value={ui.value.thumb}
                minimum={40}
                maximum={200}
                step={8}
                text={`${ui.value.thumb} px`}
                onInput={(thumb) => look({ thumb })}
              />
              <div class="ui-row">
                <Button icon="zoomIn" onClick={() => setFull(shown)}>
                  {t('Full Size')}
                </Button>
                <Button icon="save" onClick={() => void host.call('saveSample', shown)}>
                  {t('Save')}
                </Button>
              </div>
            </div>
          </div>
          <Timeline run={run} steps={steps} chosen={shown} choose={choose} />
        </>
      ) : (
        <p class="ui-quiet run-empty">
          {prompts.length > 0
            ? t('Pictures appear here as the run draws them.')
            : t('This run draws no samples.')}
        </p>
      )}
      {full && (
        <PictureDialog
          label={describe(full, prompts)}
          source={full.source}
          onClose={() => setFull(undefined)}
          actions={
            <Button icon="save" onClick={() => void host.call('saveSample', full)}>
              {t('Save')}
            </Button>
          }
        />
      )}
    </section>
  );
}

interface StepSliderProps {
  readonly label: string;
  readonly step: number;
  readonly steps: readonly number[];
  readonly onInput: (step: number) => void;
}

/** Goes through the steps that there are samples of. */
const StepSlider = ({ label, step, steps, onInput }: StepSliderProps) => (
  <Slider
    label={label}
    value={steps.indexOf(step)}
    minimum={0}
    maximum={steps.length - 1}
    step={1}
    text={String(step)}
    onInput={(index) => onInput(steps[index]!)}
  />
);

const describe = ({ step, prompt }: Sample, prompts: readonly string[]) =>
  t('{0}, step {1}', prompts[prompt] ?? t('Prompt {0}', prompt + 1), step);

interface TimelineProps {
  readonly run: RunView;
  readonly steps: readonly number[];
  readonly chosen: Sample;
  readonly choose: (step: number, prompt: number) => void;
}

/** All samples, steps beside each other and prompts below each other; arrow keys go from one to the next. */
function Timeline({ run: { samples, prompts }, steps, chosen, choose }: TimelineProps) {
  const rows = prompts.map((_, p) => p).filter((p) => samples.some((one) => one.prompt === p));
  const size = { '--thumb': `${ui.value.thumb}px` };
  const move = (event: KeyboardEvent) => {
    const [along, down] =
      { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    if (along === undefined || down === undefined) return;
    event.preventDefault();
    const step = steps[steps.indexOf(chosen.step) + along];
    const prompt = rows[rows.indexOf(chosen.prompt) + down];
    if (step === undefined || prompt === undefined) return;
    choose(step, prompt);
    const table = event.currentTarget as HTMLElement;
    requestAnimationFrame(() => table.querySelector<HTMLElement>('[aria-pressed="true"]')?.focus());
  };
  // The newest is followed as long as it is in sight; what is chosen elsewhere is brought there.
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const newest = steps.at(-1);
  const last = useRef(newest);
  useLayoutEffect(() => {
    const timeline = box.current;
    const picture = timeline?.querySelector('td:has([aria-pressed="true"])');
    const grew = last.current !== newest;
    last.current = newest;
    if (!timeline || !picture || (grew && !atEnd.current)) return;
    const [own, all] = [picture.getBoundingClientRect(), timeline.getBoundingClientRect()];
    const names = timeline.querySelector('[scope="row"]')?.getBoundingClientRect().width ?? 0;
    const [before, after] = [all.left + names - own.left, own.right - all.right];
    if (before > 0 || after > 0) timeline.scrollLeft += before > 0 ? -before : after;
  }, [chosen.step, newest, ui.value.thumb]);
  const scrolled = ({ currentTarget: at }: { readonly currentTarget: HTMLElement }) => {
    atEnd.current = at.scrollLeft + at.clientWidth > at.scrollWidth - ui.value.thumb;
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys go from one of its buttons to the next
    <div ref={box} class="run-timeline" style={size} onKeyDown={move} onScroll={scrolled}>
      <table aria-label={t('Samples by prompt and step')}>
        <thead>
          <tr>
            <td />
            {steps.map((step) => (
              <th key={step} scope="col">
                {step}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((prompt) => (
            <tr key={prompt}>
              <th scope="row" title={prompts[prompt]}>
                <span>{prompts[prompt]}</span>
              </th>
              {steps.map((step) => {
                const sample = samples.find((one) => one.step === step && one.prompt === prompt);
                const pressed = step === chosen.step && prompt === chosen.prompt;
                return (
                  <td key={step}>
                    {sample && (
                      <button
                        type="button"
                        aria-pressed={pressed}
                        tabIndex={pressed ? 0 : -1}
                        onClick={() => choose(step, prompt)}
                      >
                        <Picture lazy source={sample.source} description={describe(sample, prompts)} />
                      </button>
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
