import { l10n } from 'vscode';
import { Phrases } from './phrases.ts';

let phrases: Phrases | undefined;

/** What a program said in English, in the editor's language, where its translators knew the sentence. */
export function told(sentence: string): string {
  if (!l10n.bundle) return sentence;
  phrases ??= new Phrases(l10n.bundle);
  return phrases.translate(sentence);
}
