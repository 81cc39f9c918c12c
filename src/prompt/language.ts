import { type Disposable, languages } from 'vscode';
import { LiveDiagnostics } from '../platform/diagnostics.ts';
import type { Log } from '../platform/log.ts';
import { registerPromptFeatures } from './providers.ts';
import type { PromptServices } from './services.ts';

/** Language id of `*.prompts` files. */
export const promptLanguage = 'para-prompts';

const documents = () => import('./documents.ts');

/** Support for `*.prompts` files; what it knows is loaded with the first of them. */
export function registerPromptLanguage(services: PromptServices & { readonly log: Log }): Disposable {
  const { library, shelf, log } = services;
  const owned = registerPromptFeatures(
    promptLanguage,
    async (document) => (await documents()).promptSpots(document, shelf),
    services,
  );
  owned.add(
    new LiveDiagnostics(
      promptLanguage,
      async (document) => (await documents()).promptProblems(document, services),
      (listener) => library.onDidChange(() => listener(0)),
      log,
    ),
  );
  owned.add(
    languages.registerCodeLensProvider(promptLanguage, {
      provideCodeLenses: async (document) => (await documents()).promptLenses(document),
    }),
  );
  return owned;
}
