import { parse } from 'jsonc-parser';
import { CodeLens, FileType, l10n, Range, type TextDocument, Uri, workspace } from 'vscode';
import { defaultBase } from '../../remote-agent/src/subject/name.ts';
import type { Problem } from '../platform/problem.ts';
import type { BaseShelf } from './base-facts.ts';
import { adapterProblems, lineProblems, linesOf } from './problems.ts';
import type { PromptLineArgument, PromptServices } from './services.ts';
import type { Spots } from './spot.ts';

/** The prompts of a file of them. */
export const promptSpots = async (document: TextDocument, shelf: BaseShelf): Promise<Spots> => ({
  base: await baseBeside(document.uri, shelf),
  spots: linesOf(document.getText()).map(({ spot }) => spot),
});

/** What is to mend in a file of prompts. */
export async function promptProblems(
  document: TextDocument,
  { library }: PromptServices,
): Promise<Problem[]> {
  const lines = linesOf(document.getText());
  const adapters = await library.adapters();
  return [
    ...lineProblems(lines, l10n.t),
    ...lines.flatMap(({ spot }) => adapterProblems(spot, adapters, l10n.t)),
  ];
}

/** What can be done with each prompt, above it. */
export const promptLenses = (document: TextDocument): CodeLens[] =>
  linesOf(document.getText()).map(
    ({ number }) =>
      new CodeLens(new Range(number, 0, number, 0), {
        title: `$(play) ${l10n.t('Draw')}`,
        tooltip: l10n.t('Draw this line'),
        command: 'para.drawPromptLine',
        arguments: [{ uri: document.uri, line: number } satisfies PromptLineArgument],
      }),
  );

/** The base of a subject file in the same folder: prompts usually are for what lies beside them. */
async function baseBeside(uri: Uri, shelf: BaseShelf): Promise<string> {
  for (const base of await basesBeside(uri)) if (await shelf.facts(base)) return base;
  return defaultBase;
}

/** The bases of the subject files in a document's folder. */
export async function basesBeside(uri: Uri): Promise<string[]> {
  if (uri.scheme === 'untitled') return [];
  const bases: string[] = [];
  try {
    const folder = Uri.joinPath(uri, '..');
    for (const [name, type] of await workspace.fs.readDirectory(folder)) {
      if (!(type & FileType.File) || !name.endsWith('.para.json')) continue;
      const bytes = await workspace.fs.readFile(Uri.joinPath(folder, name));
      const file = parse(new TextDecoder().decode(bytes)) as { base?: string } | undefined;
      bases.push(file?.base ?? defaultBase);
    }
  } catch {
    // The folder cannot be listed, or a file is gone.
  }
  return bases;
}
