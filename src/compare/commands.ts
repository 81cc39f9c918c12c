import { l10n, type TextDocument, type Uri, window, workspace } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { isPromptLine } from '../../remote-agent/src/diffusion/prompt-lines.ts';
import { jobFiles, readSpec } from '../../remote-agent/src/jobs/job.ts';
import { defaultBase } from '../../remote-agent/src/subject/name.ts';
import { type AdapterArgument, chooseAdapters, whichAdapter } from '../adapters/commands.ts';
import type { LibraryAdapter } from '../adapters/library.ts';
import { basesOfHosts } from '../hosts/known-bases.ts';
import { methodName } from '../platform/format.ts';
import { basesBeside } from '../prompt/documents.ts';
import { promptLanguage } from '../prompt/language.ts';
import type { PromptLineArgument } from '../prompt/services.ts';
import { isActive, type Run } from '../runs/run.ts';
import { subjectOf } from '../runs/subject.ts';
import { SubjectDocument } from '../subject/document.ts';
import { type TrainServices, trainSubject } from '../subject/train.ts';
import { chooseColumns } from './choose.ts';
import type { ComparisonRequest } from './open.ts';
import type { ComparisonServices } from './panel.ts';
import { placeFor } from './place.ts';

export type CompareCommandServices = ComparisonServices & TrainServices;

/** Commands that draw: comparisons, single pictures, lines of prompt files. */
export const compareCommands = (services: CompareCommandServices) => ({
  'para.compareAdapters': (argument?: AdapterArgument, all?: readonly AdapterArgument[]) =>
    compareAdapters(services, argument, all),
  'para.compareStrengths': (argument?: AdapterArgument) => compareStrengths(services, argument),
  'para.compareMethods': (subject?: Uri) => compareMethods(services, subject),
  'para.generate': (argument?: AdapterArgument) => generate(services, argument),
  'para.drawPromptLine': (argument?: PromptLineArgument) => drawPromptLine(services, argument),
});

async function open(services: CompareCommandServices, request: ComparisonRequest): Promise<void> {
  services.hosts.mayConnect();
  const { openComparison } = await import('./open.ts');
  await openComparison(services, request);
}

/** Opens a comparison of adapters with their base; prompts are those of the first one's run. */
export async function openAdapters(
  services: CompareCommandServices,
  adapters: readonly LibraryAdapter[],
  prompts?: readonly string[],
): Promise<void> {
  const bases = new Set(adapters.map(({ base }) => base).filter((base) => base !== undefined));
  if (bases.size > 1)
    throw new ParaError('adapter', l10n.t('These adapters are for different bases'), {
      where: [...bases].join(', '),
      hint: l10n.t('compare adapters of one base'),
    });
  const first = adapters[0];
  const base = first?.base ?? defaultBase;
  await open(services, {
    ...{ host: placeFor(services, adapters, base), base },
    columns: [undefined, ...adapters],
    prompts: prompts ?? (first ? promptsOf(first) : ['']),
  });
}

/** The first prompts that an adapter's run drew its samples of. */
function promptsOf({ run, info }: LibraryAdapter): string[] {
  if (!run) return [`a ${info.triggerWords?.[0] ?? ''} `.trimEnd()];
  const { samples } = readSpec(run.directory);
  return samples.prompts.slice(0, 4);
}

async function compareAdapters(
  services: CompareCommandServices,
  argument: AdapterArgument,
  all: readonly AdapterArgument[] = [],
): Promise<void> {
  const named = all.length > 1 ? all : argument === undefined ? [] : [argument];
  const chosen =
    named.length === 0
      ? await chooseAdapters(services.library, l10n.t('Compare which adapters?'), true)
      : await Promise.all(named.map((one) => whichAdapter(services, one, '')));
  const adapters = (chosen ?? []).filter((one) => one !== undefined);
  if (adapters.length > 0) await openAdapters(services, adapters);
}

/** One adapter from none of it to all of it: how much of it a prompt wants shows at a glance. */
async function compareStrengths(services: CompareCommandServices, argument: AdapterArgument): Promise<void> {
  const adapter = await whichAdapter(services, argument, l10n.t('Compare strengths of which adapter?'));
  if (!adapter) return;
  const strengths = [0, 0.5, 1];
  const base = adapter.base ?? defaultBase;
  await open(services, {
    ...{ host: placeFor(services, [adapter], base), base },
    columns: strengths.map(() => adapter),
    strengths,
    prompts: promptsOf(adapter),
  });
}

/** Base, LoRA and PaRa of one subject; what was not trained yet is offered to be. */
async function compareMethods(services: CompareCommandServices, subject?: Uri): Promise<void> {
  const name = subject ? await subjectOf(subject) : await chooseSubject(services);
  if (name === undefined) return;
  const newest = (method: Run['method']) =>
    services.runs
      .all()
      .find((run) => run.subject === name && run.method === method && run.state === 'finished');
  const runs = { lora: newest('lora'), para: newest('para') };
  const missing = (['para', 'lora'] as const).filter((method) => !runs[method]);
  if (missing.length > 0) return offerTraining(services, name, missing, subject);
  const adapters: LibraryAdapter[] = [];
  for (const run of [runs.lora!, runs.para!]) {
    const adapter = await services.library.find(run.id);
    if (!adapter)
      throw new ParaError('adapter', l10n.t('The adapter of a finished run is missing'), {
        where: jobFiles(run.directory).adapter,
        hint: l10n.t('reconnect to its host, or train again'),
      });
    adapters.push(adapter);
  }
  await openAdapters(services, adapters);
}

async function chooseSubject({ runs }: CompareCommandServices): Promise<string | undefined> {
  const active = window.activeTextEditor?.document.uri;
  if (active?.path.endsWith('.para.json')) return subjectOf(active);
  const names = [...new Set(runs.all().map(({ subject }) => subject))];
  if (names.length === 0)
    throw new ParaError('run', l10n.t('Nothing was trained yet'), { hint: l10n.t('train a subject first') });
  if (names.length === 1) return names[0];
  return window.showQuickPick(names, { title: l10n.t('Compare LoRA and PaRa of which subject?') });
}

async function offerTraining(
  services: CompareCommandServices,
  name: string,
  missing: readonly Run['method'][],
  subject: Uri | undefined,
): Promise<void> {
  const words = missing.map(methodName).join(', ');
  const running = services.runs
    .all()
    .some((run) => run.subject === name && missing.includes(run.method) && isActive(run));
  if (running) {
    void window.showInformationMessage(l10n.t('{0}: {1} is still being trained.', name, words));
    return;
  }
  const train = l10n.t('Train {0}', words);
  const answer = await window.showInformationMessage(
    l10n.t('{0} was not trained with {1} yet.', name, words),
    train,
  );
  if (answer !== train) return;
  await trainSubject(services, { methods: missing, ...(subject ? { subject } : {}) });
}

async function generate(services: CompareCommandServices, argument: AdapterArgument): Promise<void> {
  const bases = [...new Set([defaultBase, ...basesOfHosts(services.context.globalState)])];
  const how = { title: l10n.t('Draw with which adapter?'), several: false };
  const named = argument === undefined ? undefined : await whichAdapter(services, argument, '');
  const chosen = named ? { adapter: named } : (await chooseColumns(services.library, bases, how))?.[0];
  if (!chosen) return;
  const { adapter } = chosen;
  const base = (adapter ? adapter.base : chosen.base) ?? defaultBase;
  await open(services, {
    ...{ host: placeFor(services, adapter ? [adapter] : [], base), base },
    columns: [adapter],
    prompts: adapter ? promptsOf(adapter).slice(0, 1) : [''],
    mode: 'generate',
  });
}

/** Draws a line of a prompt file, or a prompt of a subject file. */
async function drawPromptLine(
  services: CompareCommandServices,
  argument: PromptLineArgument | undefined,
): Promise<void> {
  const editor = window.activeTextEditor;
  const { line, character } = editor?.selection.active ?? { line: 0, character: 0 };
  const place = argument ?? (editor && { uri: editor.document.uri, line, character });
  if (!place) return;
  const found = await promptAt(await workspace.openTextDocument(place.uri), place);
  if (!found)
    throw new ParaError('prompt', l10n.t('There is no prompt on this line'), {
      where: `${workspace.asRelativePath(place.uri)}:${place.line + 1}`,
    });
  const { prompt, base } = found;
  const host = placeFor(services, [], base);
  await open(services, { host, base, columns: [undefined], prompts: [prompt], mode: 'generate' });
}

/** The prompt of a line of a prompt file, or the one at or after a place of a line of a subject file; and its base. */
async function promptAt(
  document: TextDocument,
  { line, character = 0 }: PromptLineArgument,
): Promise<{ readonly prompt: string; readonly base: string } | undefined> {
  const { text, range } = document.lineAt(line);
  if (document.languageId === promptLanguage) {
    if (!isPromptLine(text)) return undefined;
    return { prompt: text.trim(), base: (await basesBeside(document.uri))[0] ?? defaultBase };
  }
  const { spots, base } = new SubjectDocument(document.getText());
  const [from, to] = [document.offsetAt(range.start), document.offsetAt(range.end)];
  const onLine = spots.filter(({ at }) => from <= at[0]! && at[0]! <= to);
  const spot = onLine.find(({ after }) => from + character <= after) ?? onLine[0];
  return spot && { prompt: spot.prompt, base };
}
