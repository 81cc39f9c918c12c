import { commands, env, l10n, Uri, window } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { adapterTag } from '../../remote-agent/src/diffusion/prompt.ts';
import { changeState, readSpec } from '../../remote-agent/src/jobs/job.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { confirmed } from '../platform/confirm.ts';
import { methodName } from '../platform/format.ts';
import { noRunOf, noRunYet } from '../platform/nothing-yet.ts';
import { withProgress } from '../platform/progress.ts';
import { reveal } from '../platform/reveal.ts';
import { isActive, type Run } from './run.ts';
import type { Services } from './services.ts';
import { subjectOf } from './subject.ts';
import { stateWord } from './tree.ts';

/** How a command may name a run: by id, by a node of the tree, by its subject file (the newest is meant), or not at all. */
export type RunArgument = string | { readonly id?: string } | Uri | undefined;

/** The run that a command is about; asked for where nothing says it. */
export async function whichRun(
  { runs }: Pick<Services, 'runs'>,
  argument: RunArgument,
  title: string,
  fits: (run: Run) => boolean = () => true,
  /** Said where there are runs, and none that fits. */
  none = '',
): Promise<Run | undefined> {
  const id = argument instanceof Uri ? undefined : typeof argument === 'string' ? argument : argument?.id;
  runs.lookAtActive(id);
  if (argument instanceof Uri) return newestOf(runs, argument, fits, none);
  if (id !== undefined) {
    // It may have been made a moment ago, in another window.
    if (!runs.get(id)) await runs.refresh();
    const run = runs.get(id) ?? runs.all().find(({ job }) => job === id);
    if (run) return run;
    throw new ParaError('run', l10n.t('This run is not here any more'), { where: id });
  }
  const all = runs.all();
  const fitting = all.filter(fits);
  if (fitting.length === 0) {
    if (all.length === 0) noRunYet();
    else void window.showInformationMessage(none);
    return undefined;
  }
  if (fitting.length === 1) return fitting[0];
  const chosen = await window.showQuickPick(
    fitting.slice(0, 500).map((run) => ({
      label: `${run.subject} · ${methodName(run.method)}`,
      description: `${stateWord(run)} · ${run.step}/${run.steps}`,
      detail: new Date(run.createdAt).toLocaleString(),
      run,
    })),
    { title, matchOnDescription: true, matchOnDetail: true },
  );
  return chosen?.run;
}

/** The newest run of a subject file that fits; where there is none, it is said. */
async function newestOf(
  runs: Services['runs'],
  uri: Uri,
  fits: (run: Run) => boolean,
  none: string,
): Promise<Run | undefined> {
  const name = await subjectOf(uri);
  const own = runs.all().filter((run) => run.subject === name);
  const found = own.find(fits);
  if (own.length === 0) noRunOf(name, uri);
  else if (!found) void window.showInformationMessage(none);
  return found;
}

const noneActive = () => l10n.t('No run is going on.');
export const allActive = () => l10n.t('All runs are still going on.');

/** Asks the trainer to save its state and stop. */
export async function stopTraining(services: Services, argument: RunArgument): Promise<void> {
  const run = await whichRun(services, argument, l10n.t('Stop which run?'), isActive, noneActive());
  if (!run) return;
  await withProgress(l10n.t('Stop {0}', run.subject), async (work) => {
    const session = await services.hosts.session(run.host);
    work.signal.throwIfAborted();
    await session.call('jobs/cancel', { id: run.job });
    await services.runs.refresh();
  });
}

/** Lets a run go on: from where it stopped, or, when it is finished, to more steps. */
export async function continueTraining(services: Services, argument: RunArgument): Promise<void> {
  const over = (run: Run) => !isActive(run);
  const run = await whichRun(services, argument, l10n.t('Continue which run?'), over, allActive());
  if (!run) return;
  let steps: number | undefined;
  if (run.state === 'finished') {
    const answer = await window.showInputBox({
      title: l10n.t('Continue {0} to how many steps?', run.subject),
      prompt: l10n.t('It has made {0} steps.', run.step),
      value: String(run.step * 2),
      validateInput: (value) =>
        /^\d+$/.test(value) && Number(value) > run.step && Number(value) <= 1e6
          ? undefined
          : l10n.t('A number above {0}', run.step),
    });
    if (answer === undefined) return;
    steps = Number(answer);
  }
  const { schedule } = readSpec(run.directory).training;
  const stretch = steps !== undefined && schedule !== 'constant';
  if (stretch && !(await agreeToStretch(schedule))) return;
  await withProgress(l10n.t('Continue {0}', run.subject), async (work) => {
    const session = await services.hosts.session(run.host);
    work.signal.throwIfAborted();
    await session.call('jobs/resume', {
      id: run.job,
      ...(steps === undefined ? {} : { steps }),
      ...(stretch ? { stretch } : {}),
    });
    await followAgain(services, run, steps);
  });
  await commands.executeCommand('para.showRun', run.id);
}

const agreeToStretch = (schedule: string): Promise<boolean> =>
  confirmed(
    l10n.t('This run has a falling learning rate ({0}).', schedule),
    l10n.t(
      'Continued, the rest of the fall is stretched over the new length: not what a longer run from the start would have done.',
    ),
    l10n.t('Continue'),
  );

/** The folder of a host's run learns that there is more to come. */
async function followAgain(services: Services, run: Run, steps: number | undefined): Promise<void> {
  if (run.host !== thisMachine) {
    const { continueTo } = await import('../../remote-agent/src/jobs/continue.ts');
    if (steps !== undefined) continueTo(run.directory, steps, true);
    changeState(run.directory, 'queued', steps === undefined ? {} : { steps });
  }
  await services.runs.refresh();
}

export async function revealRunFolder(services: Services, argument: RunArgument): Promise<void> {
  const run = await whichRun(services, argument, l10n.t('Reveal which run?'));
  if (run) await reveal(run.directory);
}

/** Puts a prompt that uses the run's adapter on the clipboard. */
export async function copyPrompt(services: Services, argument: RunArgument): Promise<void> {
  const run = await whichRun(services, argument, l10n.t('Copy a prompt of which run?'));
  if (!run) return;
  const { samples, trigger, class: kind } = readSpec(run.directory);
  const prompt = samples.prompts[0] ?? `a ${trigger} ${kind}`;
  await env.clipboard.writeText(`${prompt} ${adapterTag(run.id)}`);
  window.setStatusBarMessage(l10n.t('Copied: {0}', prompt), 3000);
}
