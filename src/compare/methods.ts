import { commands, l10n, type Uri, window } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { jobFiles } from '../../remote-agent/src/jobs/job.ts';
import type { LibraryAdapter } from '../adapters/library.ts';
import { hostLabel } from '../hosts/label.ts';
import { methodName } from '../platform/format.ts';
import { chooseAgain } from '../platform/last-choice.ts';
import { isActive, type Run } from '../runs/run.ts';
import { subjectOf } from '../runs/subject.ts';
import { subjectInFront } from '../subject/in-front.ts';
import { chooseSubject, subjectFileOf, trainSubject } from '../subject/train.ts';
import { chooseHost } from '../subject/where.ts';
import { type CompareCommandServices, openAdapters } from './start.ts';

type Method = Run['method'];

/** A subject by the name of its runs, and its file where it is known. */
interface Subject {
  readonly name: string;
  readonly uri?: Uri;
}

/** Base, LoRA and PaRa of one subject; what was not trained yet is trained first. */
export async function compareMethods(
  services: CompareCommandServices,
  argument?: Uri | string,
): Promise<void> {
  const subject = await whichSubject(services, argument);
  if (!subject) return;
  const newest = (method: Method) =>
    runsOf(services, subject, method).find(({ state }) => state === 'finished');
  const [lora, para] = [newest('lora'), newest('para')];
  if (!lora || !para) {
    const missing = [...(para ? [] : (['para'] as const)), ...(lora ? [] : (['lora'] as const))];
    return trainMissing(services, subject, missing, lora ?? para);
  }
  const adapters = await Promise.all([lora, para].map((run) => adapterOf(services, run)));
  await openAdapters(services, adapters);
  await commands.executeCommand('setContext', 'para.methodsCompared', true);
}

const runsOf = ({ runs }: CompareCommandServices, { name }: Subject, method: Method): Run[] =>
  runs.all().filter((run) => run.subject === name && run.method === method);

async function adapterOf({ library }: CompareCommandServices, run: Run): Promise<LibraryAdapter> {
  const adapter = await library.find(run.id);
  if (adapter) return adapter;
  throw new ParaError('adapter', l10n.t('The adapter of a finished run is missing'), {
    where: jobFiles(run.directory).adapter,
    hint: l10n.t('reconnect to its host, or train again'),
  });
}

async function whichSubject(
  services: CompareCommandServices,
  argument?: Uri | string,
): Promise<Subject | undefined> {
  if (typeof argument === 'string') return { name: argument };
  const uri = argument ?? subjectInFront();
  if (uri) return { name: await subjectOf(uri), uri };
  const title = l10n.t('Compare LoRA and PaRa of which subject?');
  const names = [...new Set(services.runs.all().map(({ subject }) => subject))];
  if (names.length === 0) {
    const chosen = await chooseSubject(services, title);
    return chosen && { name: await subjectOf(chosen), uri: chosen };
  }
  if (names.length === 1) return { name: names[0]! };
  const items = names.map((name) => ({ id: name, label: name }));
  const chosen = await chooseAgain(services.context.globalState, 'para.lastComparedSubject', items, {
    title,
  });
  return chosen && { name: chosen.id };
}

/** Trains what there is nothing of yet, and compares when it is finished. @param other the run of the other method */
async function trainMissing(
  services: CompareCommandServices,
  subject: Subject,
  missing: readonly Method[],
  other: Run | undefined,
): Promise<void> {
  const { name } = subject;
  services.hosts.mayConnect();
  const running = missing.flatMap((method) => runsOf(services, subject, method).find(isActive) ?? []);
  const methods = missing.filter((method) => !running.some((run) => run.method === method));
  const words = methods.map(methodName).join(', ');
  let made: string[] = [];
  if (methods.length > 0) {
    const uri = subject.uri ?? (await subjectFileOf(services, name));
    // Where the other was trained: what is compared is made alike.
    const alike = services.hosts.names().find((one) => one === other?.host);
    // Not offered elsewhere later: what waits for these runs would wait for others then.
    const host = alike ?? (await chooseHost(services, true));
    if (host === undefined) return;
    const where =
      alike === undefined
        ? ''
        : l10n.t('It is trained on {0}, as {1} was.', hostLabel(host), methodName(other!.method));
    const detail = l10n.t('The comparison opens when it is finished.');
    if (
      !(await agreed(
        l10n.t('{0} was not trained with {1} yet.', name, words),
        `${where} ${detail}`.trim(),
        words,
      ))
    )
      return;
    made = await trainSubject(services, { subject: uri, methods, host });
    if (made.length === 0) return;
    // One of them was declined: there will be nothing to compare.
    if (made.length < methods.length) {
      await commands.executeCommand('para.showRun', made[0]);
      return;
    }
  } else
    void window.showInformationMessage(
      l10n.t(
        '{0}: {1} is still being trained. The comparison opens when it is finished.',
        name,
        running.map(({ method }) => methodName(method)).join(', '),
      ),
    );
  const ids = [...made, ...running.map(({ id }) => id)];
  // First of all: the window may be loaded again as soon as the run is in sight.
  await services.awaited.add({ subject: name, runs: ids });
  await commands.executeCommand('para.showRun', ids[0]);
}

async function agreed(question: string, detail: string, words: string): Promise<boolean> {
  const train = l10n.t('Train {0}', words);
  return (await window.showInformationMessage(question, { modal: true, detail }, train)) === train;
}
