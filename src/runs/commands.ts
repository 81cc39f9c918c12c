import { readFile } from 'node:fs/promises';
import { commands, env, l10n, Uri, ViewColumn, window, workspace } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { redact } from '../../remote-agent/src/common/redact.ts';
import { jobFiles, readSpec } from '../../remote-agent/src/jobs/job.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { methodName } from '../platform/format.ts';
import { withProgress } from '../platform/progress.ts';
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
): Promise<Run | undefined> {
  if (argument instanceof Uri) return newestOf(runs, argument, fits);
  const id = typeof argument === 'string' ? argument : argument?.id;
  if (id !== undefined) {
    // It may have been made a moment ago, in another window.
    if (!runs.get(id)) await runs.refresh();
    const run = runs.get(id) ?? runs.all().find(({ job }) => job === id);
    if (run) return run;
    throw new ParaError('run', 'This run is not here any more', { where: id });
  }
  const fitting = runs.all().filter(fits);
  if (fitting.length === 0) {
    void window.showInformationMessage(l10n.t('There is no such run.'));
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

/** The newest run of a subject file. @throws ParaError `run` where there is none */
async function newestOf(runs: Services['runs'], uri: Uri, fits: (run: Run) => boolean): Promise<Run> {
  const name = await subjectOf(uri);
  const found = runs.all().find((run) => run.subject === name && fits(run));
  if (found) return found;
  throw new ParaError('run', `There is no such run of "${name}"`, { hint: 'train it first' });
}

/** Asks the trainer to save its state and stop. */
export async function stopTraining(services: Services, argument: RunArgument): Promise<void> {
  const run = await whichRun(services, argument, l10n.t('Stop which run?'), isActive);
  if (!run) return;
  await withProgress(l10n.t('Stop {0}', run.subject), async () => {
    const session = await services.hosts.session(run.host);
    await session.call('jobs/cancel', { id: run.job });
    await services.runs.refresh();
  });
}

/** Lets a run go on: from where it stopped, or, when it is finished, to more steps. */
export async function continueTraining(services: Services, argument: RunArgument): Promise<void> {
  const run = await whichRun(services, argument, l10n.t('Continue which run?'), (r) => !isActive(r));
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
  await withProgress(l10n.t('Continue {0}', run.subject), async () => {
    const session = await services.hosts.session(run.host);
    await session.call('jobs/resume', {
      id: run.job,
      ...(steps === undefined ? {} : { steps }),
      ...(stretch ? { stretch } : {}),
    });
    await followAgain(services, run, steps);
  });
  await commands.executeCommand('para.showRun', run.id);
}

async function agreeToStretch(schedule: string): Promise<boolean> {
  const go = l10n.t('Continue');
  const answer = await window.showWarningMessage(
    l10n.t('This run has a falling learning rate ({0}).', schedule),
    {
      modal: true,
      detail: l10n.t(
        'Continued, the rest of the fall is stretched over the new length: not what a longer run from the start would have done.',
      ),
    },
    go,
  );
  return answer === go;
}

/** The folder of a host's run learns that there is more to come. */
async function followAgain(services: Services, run: Run, steps: number | undefined): Promise<void> {
  if (run.host !== thisMachine) {
    const { continueTo } = await import('../../remote-agent/src/jobs/continue.ts');
    const { writeStatus } = await import('../../remote-agent/src/jobs/job.ts');
    if (steps !== undefined) continueTo(run.directory, steps, true);
    const { step, loss } = run;
    writeStatus(run.directory, {
      state: 'queued',
      step,
      steps: steps ?? run.steps,
      ...(loss === undefined ? {} : { loss }),
    });
  }
  await services.runs.refresh();
}

const trashPrefix = '.deleted-';

/** Takes runs out of the history; they can be had back for as long as the message is there. */
export async function deleteRun(services: Services, argument: RunArgument, all?: readonly RunArgument[]) {
  const first = await whichRun(services, argument, l10n.t('Delete which run?'), (r) => !isActive(r));
  if (!first) return;
  const chosen = [first];
  for (const other of all ?? []) {
    const run = await whichRun(services, other, '');
    if (run && !chosen.some(({ id }) => id === run.id)) chosen.push(run);
  }
  const active = chosen.find(isActive);
  if (active)
    throw new ParaError('locked', `The run of "${active.subject}" is active`, { hint: 'stop it first' });
  const { rename, rm } = await import('node:fs/promises');
  const trashed = (run: Run) =>
    run.directory.replace(/[^/\\]+$/, (name) => `${trashPrefix}${Date.now()}-${name}`);
  const moved = chosen.map((run) => ({ run, trash: trashed(run) }));
  for (const { run, trash } of moved) await rename(run.directory, trash);
  await services.runs.refresh();
  const undo = l10n.t('Undo');
  const text =
    chosen.length === 1
      ? l10n.t('Deleted the run of {0}.', first.subject)
      : l10n.t('Deleted {0} runs.', chosen.length);
  void window.showInformationMessage(text, undo).then(async (answer) => {
    try {
      if (answer === undo) {
        for (const { run, trash } of moved) await rename(trash, run.directory);
        await services.runs.refresh();
        return;
      }
      for (const { run, trash } of moved) {
        if (run.host !== thisMachine) await forgetJob(services, run);
        await rm(trash, { recursive: true, force: true });
      }
    } catch (cause) {
      await services.failures.show(cause);
    }
  });
}

/** Deletes a job on its host, where it can be reached without asking anybody. */
async function forgetJob({ hosts, log }: Services, run: Run): Promise<void> {
  if (hosts.status(run.host).at !== 'connected') {
    log.info(`${run.id} stays on ${run.host}, which is not connected`);
    return;
  }
  try {
    const session = await hosts.session(run.host);
    await session.call('jobs/delete', { id: run.job });
  } catch (cause) {
    log.warn(`${run.id} stays on ${run.host}: ${String(cause)}`);
  }
}

/** Removes what was deleted earlier and not taken back: a window may have been closed over the message. */
export async function emptyTrash(folder: string, olderThanMs = 3_600_000): Promise<void> {
  const { readdir, rm } = await import('node:fs/promises');
  const { join } = await import('node:path');
  for (const name of await readdir(folder).catch(() => [])) {
    const at = Number(/^\.deleted-(\d+)-/.exec(name)?.[1] ?? Number.NaN);
    if (Date.now() - at > olderThanMs) await rm(join(folder, name), { recursive: true, force: true });
  }
}

export async function revealRunFolder(services: Services, argument: RunArgument): Promise<void> {
  const run = await whichRun(services, argument, l10n.t('Reveal which run?'));
  if (run) await commands.executeCommand('revealFileInOS', Uri.file(run.directory));
}

/** Puts a prompt that uses the run's adapter on the clipboard. */
export async function copyPrompt(services: Services, argument: RunArgument): Promise<void> {
  const run = await whichRun(services, argument, l10n.t('Copy a prompt of which run?'));
  if (!run) return;
  const { samples, trigger, class: kind } = readSpec(run.directory);
  const prompt = samples.prompts[0] ?? `a ${trigger} ${kind}`;
  await env.clipboard.writeText(`${prompt} <lora:${run.id}:1>`);
  window.setStatusBarMessage(l10n.t('Copied: {0}', prompt), 3000);
}

/** Scheme of logs of runs, as documents that are read only. */
export const logScheme = 'para-log';

export async function showRunLog(services: Services, argument: RunArgument): Promise<void> {
  const run = await whichRun(services, argument, l10n.t('Show the log of which run?'));
  if (!run) return;
  const uri = Uri.from({ scheme: logScheme, path: `/${run.subject} ${run.method}.log`, query: run.id });
  const document = await workspace.openTextDocument(uri);
  await window.showTextDocument(document, { preview: true, viewColumn: ViewColumn.Active });
}

/** What the trainer wrote to its log, and the events of people's interest, without secrets. */
export async function runLog({ hosts, runs }: Services, id: string): Promise<string> {
  const run = runs.get(id);
  if (!run) return l10n.t('This run is not here any more.');
  const here = await readFile(jobFiles(run.directory).log, 'utf8').catch(() => '');
  if (here || run.host === thisMachine || hosts.status(run.host).at !== 'connected')
    return redact(here) || l10n.t('The log is empty.');
  const session = await hosts.session(run.host);
  return (await session.call('jobs/log', { id: run.job, bytes: 1 << 20 })).text;
}
