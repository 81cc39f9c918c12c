import { parse } from 'jsonc-parser';
import {
  CodeLens,
  type Disposable,
  FileType,
  l10n,
  languages,
  Range,
  type TextDocument,
  Uri,
  workspace,
} from 'vscode';
import { defaultBase } from '../../remote-agent/src/subject/name.ts';
import { LiveDiagnostics } from '../platform/diagnostics.ts';
import type { Log } from '../platform/log.ts';
import type { BaseShelf } from './base-facts.ts';
import { adapterProblems, lineProblems, linesOf } from './problems.ts';
import { type PromptServices, registerPromptFeatures } from './providers.ts';

/** Language id of `*.prompts` files. */
export const promptLanguage = 'para-prompts';

/** What `para.drawPromptLine` is given: a line of a document, from 0, and where in it. */
export interface PromptLineArgument {
  readonly uri: Uri;
  readonly line: number;
  readonly character?: number;
}

/** Support for `*.prompts` files. */
export function registerPromptLanguage(services: PromptServices & { readonly log: Log }): Disposable {
  const { library, shelf, log } = services;
  const spotsOf = async (document: TextDocument) => ({
    base: await baseBeside(document.uri, shelf),
    spots: linesOf(document.getText()).map(({ spot }) => spot),
  });
  const owned = registerPromptFeatures(promptLanguage, spotsOf, services);
  const find = async (document: TextDocument) => {
    const lines = linesOf(document.getText());
    const adapters = await library.adapters();
    return [
      ...lineProblems(lines, l10n.t),
      ...lines.flatMap(({ spot }) => adapterProblems(spot, adapters, l10n.t)),
    ];
  };
  owned.add(
    new LiveDiagnostics(promptLanguage, find, (listener) => library.onDidChange(() => listener(0)), log),
  );
  owned.add(
    languages.registerCodeLensProvider(promptLanguage, {
      provideCodeLenses: (document) =>
        linesOf(document.getText()).map(
          ({ number }) =>
            new CodeLens(new Range(number, 0, number, 0), {
              title: `$(play) ${l10n.t('Draw')}`,
              tooltip: l10n.t('Draw this line'),
              command: 'para.drawPromptLine',
              arguments: [{ uri: document.uri, line: number } satisfies PromptLineArgument],
            }),
        ),
    }),
  );
  return owned;
}

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
