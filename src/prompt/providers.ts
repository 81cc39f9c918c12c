import { type DocumentSelector, EventEmitter, languages } from 'vscode';
import { Disposables } from '../platform/disposables.ts';
import { later, once } from '../platform/later.ts';
import type { PromptServices, SpotsOf } from './services.ts';

/** Token counts, weights and adapters for the prompts of documents of a language; loaded with the first document. */
export function registerPromptFeatures(
  selector: DocumentSelector,
  spotsOf: SpotsOf,
  services: PromptServices,
): Disposables {
  const owned = new Disposables();
  const features = once(async () => (await import('./features.ts')).promptFeatures(spotsOf, services));
  const changed = owned.add(new EventEmitter<void>());
  owned.add(services.library.onDidChange(() => changed.fire()));
  owned.add(
    languages.registerInlayHintsProvider(selector, {
      ...later('provideInlayHints', async () => (await features()).hints),
      onDidChangeInlayHints: changed.event,
    }),
  );
  owned.add(
    languages.registerHoverProvider(
      selector,
      later('provideHover', async () => (await features()).hover),
    ),
  );
  owned.add(
    languages.registerCompletionItemProvider(
      selector,
      later('provideCompletionItems', async () => (await features()).completion),
      '<',
      ':',
    ),
  );
  return owned;
}
