import { l10n, type TextDocument, type Uri, window, workspace } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { isPromptLine } from '../../remote-agent/src/diffusion/prompt-lines.ts';
import { defaultBase } from '../../remote-agent/src/subject/name.ts';
import { type AdapterArgument, chooseAdapters, whichAdapter } from '../adapters/commands.ts';
import { basesOfHosts } from '../hosts/known-bases.ts';
import { basesBeside } from '../prompt/documents.ts';
import { promptLanguage } from '../prompt/language.ts';
import type { PromptLineArgument } from '../prompt/services.ts';
import { SubjectDocument } from '../subject/document.ts';
import { chooseColumns } from './choose.ts';
import { placeFor } from './place.ts';
import { type CompareCommandServices, openAdapters, openDrawing, promptsOf } from './start.ts';

/** Commands that draw: comparisons, single pictures, lines of prompt files. */
export const compareCommands = (services: CompareCommandServices) => ({
  'para.compareAdapters': (argument?: AdapterArgument, all?: readonly AdapterArgument[]) =>
    compareAdapters(services, argument, all),
  'para.compareStrengths': (argument?: AdapterArgument) => compareStrengths(services, argument),
  'para.compareMethods': async (subject?: Uri | string) => {
    const { compareMethods } = await import('./methods.ts');
    await compareMethods(services, subject);
  },
  'para.generate': (argument?: AdapterArgument) => generate(services, argument),
  'para.drawPromptLine': (argument?: PromptLineArgument) => drawPromptLine(services, argument),
});

async function compareAdapters(
  services: CompareCommandServices,
  argument: AdapterArgument,
  all: readonly AdapterArgument[] = [],
): Promise<void> {
  const named = all.length > 1 ? all : argument === undefined ? [] : [argument];
  const chosen =
    named.length === 0
      ? await chooseAdapters(services, l10n.t('Compare which adapters?'))
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
  await openDrawing(services, {
    ...{ host: placeFor(services, [adapter], base), base },
    columns: strengths.map(() => adapter),
    strengths,
    prompts: promptsOf(adapter),
  });
}

async function generate(services: CompareCommandServices, argument: AdapterArgument): Promise<void> {
  const bases = [...new Set([defaultBase, ...basesOfHosts(services.context.globalState)])];
  const how = { title: l10n.t('Draw with which adapter?'), several: false };
  const named = argument === undefined ? undefined : await whichAdapter(services, argument, '');
  const chosen = named ? { adapter: named } : (await chooseColumns(services, bases, how))?.[0];
  if (!chosen) return;
  const { adapter } = chosen;
  const base = (adapter ? adapter.base : chosen.base) ?? defaultBase;
  await openDrawing(services, {
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
  await openDrawing(services, { host, base, columns: [undefined], prompts: [prompt], mode: 'generate' });
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
