import { l10n } from 'vscode';
import { ParaError } from '../../../remote-agent/src/common/errors.ts';
import type { SpecPicture, TrainSpec } from '../../../remote-agent/src/subject/train-spec.ts';
import type { RunEvent, RunView } from '../../../webview/contract/run.ts';
import { describe } from '../../platform/failure.ts';
import { duration, methodName } from '../../platform/format.ts';
import { told } from '../../platform/told.ts';
import type { Estimate } from '../estimate.ts';
import type { LinkEvent } from '../link-log.ts';
import type { ToldEvent } from './run-log.ts';

/** What a trainer does before its first step or between steps. */
export function phaseText(name: string): string {
  const known: Record<string, string> = {
    'encode pictures': l10n.t('Encoding the pictures'),
    'build step': l10n.t('Building the training step'),
  };
  return known[name] ?? name;
}

/** An event of a run in words. */
export function eventText(event: ToldEvent): RunEvent {
  const { time } = event;
  switch (event.type) {
    case 'phase':
      return { time, kind: 'info', text: phaseText(event.name) };
    case 'started':
      return {
        ...{ time, kind: 'info' },
        text: l10n.t(
          'Started: {0} steps, {1} parameters in {2} layers',
          ...[event.steps, event.parameters, event.layers].map((n) => n.toLocaleString()),
        ),
      };
    case 'resumed':
      return {
        ...{ time, kind: 'resumed', step: event.fromStep },
        text: l10n.t('Went on from step {0}', event.fromStep),
      };
    case 'checkpoint':
      return {
        ...{ time, kind: 'checkpoint', step: event.step },
        text: event.best
          ? l10n.t('Kept the adapter of step {0}: the lowest validation loss so far', event.step)
          : l10n.t('Kept the adapter of step {0}', event.step),
      };
    case 'note':
      return { time, kind: 'warning', text: told(event.message) };
    case 'error': {
      const hint = [event.where, told(event.hint ?? '')].filter(Boolean).join(': ');
      return { time, kind: 'error', text: told(event.message), ...(hint ? { hint } : {}) };
    }
    case 'stopped':
      return { time, kind: 'info', step: event.step, text: l10n.t('Stopped after step {0}', event.step) };
    case 'finished':
      return {
        ...{ time, kind: 'info', step: event.step },
        text: event.sizeChanges
          ? l10n.t(
              'Finished after {0}, of which {1} went into {2} changes between sizes of pictures',
              duration(event.seconds),
              duration(event.sizeChanges.seconds),
              event.sizeChanges.count,
            )
          : l10n.t('Finished after {0}', duration(event.seconds)),
      };
  }
}

/** What was said of a run before it began, as the first of its events. */
export const estimateEvent = (time: string, estimate: Estimate | undefined): RunEvent[] =>
  estimate ? [{ time, kind: 'info', text: l10n.t('Estimated beforehand: {0}', estimate.text) }] : [];

/** What happened to the link of a run's host, in words. */
export const linkEventText = ({ time, what, problem }: LinkEvent): RunEvent => ({
  ...{ time, kind: 'link' },
  text: what === 'lost' ? l10n.t('Connection to the host lost') : l10n.t('Connected to the host again'),
  ...(problem ? { hint: describe(new ParaError('host', problem.message, problem)) } : {}),
});

type Rows = RunView['settings'][number]['rows'];

/** All settings of a run, by groups. */
export function settingsOf(spec: TrainSpec): RunView['settings'] {
  const { training, samples, validation, checkpoints } = spec;
  const pictures: Rows = [...spec.pictures, ...spec.validationPictures].map((picture, i) => ({
    name: pictureName(picture, i) + (i < spec.pictures.length ? '' : l10n.t(' (validation)')),
    value: picture.caption,
  }));
  return [
    {
      title: l10n.t('Subject'),
      rows: [
        { name: l10n.t('name'), value: spec.subject },
        { name: l10n.t('trigger'), value: spec.trigger },
        { name: l10n.t('class'), value: spec.class },
        { name: l10n.t('base'), value: `${spec.base.name} (${spec.base.hash.slice(0, 12)})` },
        { name: l10n.t('device'), value: spec.device },
        { name: l10n.t('background'), value: spec.background },
      ],
    },
    { title: l10n.t('Method'), rows: rowsOf({ ...spec.method, name: methodName(spec.method.name) }) },
    { title: l10n.t('Training'), rows: rowsOf(training) },
    { title: l10n.t('Samples'), rows: rowsOf({ ...samples, prompts: samples.prompts.length }) },
    { title: l10n.t('Validation'), rows: rowsOf(validation) },
    { title: l10n.t('Checkpoints'), rows: rowsOf(checkpoints) },
    { title: l10n.t('Pictures and captions'), rows: pictures },
  ];
}

/** A picture that was sent to its run lies there under its hash, which tells nobody anything. */
function pictureName({ file, sha256 }: SpecPicture, index: number): string {
  const name = file.split(/[\\/]/).at(-1)!;
  return name.startsWith(sha256) ? l10n.t('picture {0}', index + 1) : name;
}

/** Settings under the names that the subject file has for them. */
function rowsOf(values: object): Rows {
  return Object.entries(values).map(([name, value]: [string, unknown]) => ({
    name,
    value:
      value === null
        ? l10n.t('none')
        : Array.isArray(value)
          ? value.join(', ') || l10n.t('none')
          : String(value),
  }));
}
