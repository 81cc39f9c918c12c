import type { RunNow, RunView } from '../contract/run.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { shortNumber } from '../ui/chart/options.ts';
import { bytes, duration } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { t } from '../ui/l10n.ts';
import { ProgressBar } from '../ui/progress.tsx';
import { host, isActive } from './state.ts';

type Action = 'stop' | 'continue' | 'export' | 'compare' | 'log' | 'folder' | 'reconnect';
const act = (action: Action) => void host.call('act', { action }).catch(() => {});

/** What run it is, how far, and what can be done with it. */
export function Head({ run }: { readonly run: RunView }) {
  const { now } = run;
  const active = isActive(now);
  const where = t('{0} on {1}, {2}', run.base, run.place, new Date(run.createdAt).toLocaleString());
  return (
    <header class="run-head">
      <div class="ui-row">
        <h1>{run.subject}</h1>
        <span class="run-method">{run.method}</span>
        <span class="run-state" data-state={now.state} role="status">
          {now.stateText}
        </span>
        <span class="ui-quiet run-where" title={where}>
          {where}
        </span>
        {active ? (
          <Button icon="stop" onClick={() => act('stop')}>
            {t('Stop')}
          </Button>
        ) : (
          <Button icon="play" onClick={() => act('continue')}>
            {t('Continue')}
          </Button>
        )}
        <Button icon="swap" disabled={now.step === 0} onClick={() => act('compare')}>
          {t('Compare')}
        </Button>
        <Button icon="save" kind="primary" disabled={now.step === 0} onClick={() => act('export')}>
          {t('Export')}
        </Button>
        <IconButton icon="folder" label={t('Show the folder of this run')} onClick={() => act('folder')} />
      </div>
      {active && <ProgressBar label={t('Steps made')} value={now.step} maximum={now.steps} />}
      {now.problem && (
        <p class="run-banner" data-kind="error" role="alert">
          <Icon name="error" /> {now.problem}
        </p>
      )}
      {now.link && (
        <p class="run-banner" data-kind="warning" role="status">
          <Icon name="warning" /> <span>{now.link}</span>
          <Button onClick={() => act('reconnect')}>{t('Reconnect')}</Button>
        </p>
      )}
      <dl class="run-facts">
        {factsOf(run).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </header>
  );
}

function factsOf({ now, estimate }: RunView): [string, string][] {
  const facts: [string, string | undefined][] = [
    [t('Step'), t('{0} of {1}', now.step.toLocaleString(), now.steps.toLocaleString())],
    [t('Doing'), now.phase],
    [t('Loss (smoothed)'), number(now.smoothedLoss)],
    [
      t('Best validation'),
      now.bestValidation &&
        t('{0} at step {1}', shortNumber(now.bestValidation.loss), now.bestValidation.step),
    ],
    [t('Learning rate'), number(now.learningRate)],
    [t('A step takes'), now.secondsAStep === undefined ? undefined : duration(now.secondsAStep)],
    [t('Time left'), timeLeft(now, estimate)],
    [t('Memory'), memory(now, estimate)],
    [t('Parameters'), now.parameters?.toLocaleString()],
    [t('Layers'), now.layers?.toLocaleString()],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
}

type Estimate = RunView['estimate'];

/** Measured as soon as there are steps; before them what was expected, if anything. */
function timeLeft(now: RunNow, estimate: Estimate): string | undefined {
  if (now.secondsLeft !== undefined) return duration(now.secondsLeft);
  if (!isActive(now) || now.step > 0) return undefined;
  return estimate?.seconds === undefined
    ? t('known after the first steps')
    : t('about {0}', duration(estimate.seconds));
}

function memory(now: RunNow, estimate: Estimate): string | undefined {
  if (now.memoryBytes !== undefined) return bytes(now.memoryBytes);
  if (!isActive(now) || estimate?.memoryBytes === undefined) return undefined;
  return t('about {0}', bytes(estimate.memoryBytes));
}

const number = (value: number | undefined) => (value === undefined ? undefined : shortNumber(value));
