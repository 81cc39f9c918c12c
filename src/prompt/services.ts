import type { TextDocument, Uri } from 'vscode';
import type { BaseShelf } from './base-facts.ts';
import type { Library } from './library.ts';
import type { Spots } from './spot.ts';

/** What the language of prompts needs to know. */
export interface PromptServices {
  readonly library: Library;
  readonly shelf: BaseShelf;
}

/** Finds the prompts of a document. */
export type SpotsOf = (document: TextDocument) => Promise<Spots>;

/** What `para.drawPromptLine` is given: a line of a document, from 0, and where in it. */
export interface PromptLineArgument {
  readonly uri: Uri;
  readonly line: number;
  readonly character?: number;
}
