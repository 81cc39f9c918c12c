import { parse } from 'jsonc-parser';
import {
  CodeLens,
  type Disposable,
  FileType,
  type LogOutputChannel,
  l10n,
  languages,
  Range,
  type TextDocument,
  Uri,
  workspace,
} from 'vscode';
import { LiveDiagnostics } from '../platform/diagnostics.ts';
import { defaultBase } from './base-facts.ts';
import { adapterProblems, lineProblems, linesOf } from './problems.ts';
import { type PromptServices, registerPromptFeatures } from './providers.ts';
import type { Spots } from './spot.ts';

/** Language id of `*.prompts` files. */
export const promptLanguage = 'para-prompts';

/** What `para.drawPromptLine` is given: a line of a document, from 0. */
export interface PromptLineArgument {
  readonly uri: Uri;
  readonly line: number;
}

/** Support for `*.prompts` files. */
export function registerPromptLanguage(
  services: PromptServices & { readonly log: LogOutputChannel },
): Disposable {
  const owned = registerPromptFeatures(promptLanguage, spotsOf, services);
  const { library, log } = services;
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

async function spotsOf(document: TextDocument): Promise<Spots> {
  return { base: await baseBeside(document.uri), spots: linesOf(document.getText()).map(({ spot }) => spot) };
}

/** The base of the subject file in the same folder: prompts usually are for what lies beside them. */
async function baseBeside(uri: Uri): Promise<string> {
  if (uri.scheme === 'untitled') return defaultBase;
  try {
    const folder = Uri.joinPath(uri, '..');
    const entries = await workspace.fs.readDirectory(folder);
    const subject = entries.find(([name, type]) => type === FileType.File && name.endsWith('.para.json'));
    if (!subject) return defaultBase;
    const bytes = await workspace.fs.readFile(Uri.joinPath(folder, subject[0]));
    const value = parse(new TextDecoder().decode(bytes)) as { base?: unknown } | undefined;
    return typeof value?.base === 'string' ? value.base : defaultBase;
  } catch {
    return defaultBase; // the folder cannot be listed, or the file is gone
  }
}
