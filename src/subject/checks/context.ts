import type { Node } from 'jsonc-parser';
import type { Translate } from '../../../remote-agent/src/common/translate.ts';
import type { Fix, Problem } from '../../platform/problem.ts';
import type { BaseFacts } from '../../prompt/base-facts.ts';
import type { KnownBase } from '../../prompt/library.ts';
import type { SubjectDocument } from '../document.ts';
import type { Files } from '../files.ts';
import type { Gallery } from '../gallery.ts';
import type { PictureShelf } from '../picture-shelf.ts';

/** What is known where a subject file is judged. */
export interface CheckContext {
  readonly document: SubjectDocument;
  /** Uri path of the folder that its entries start from. */
  readonly folder: string;
  readonly files: Files;
  readonly gallery: Gallery;
  readonly shelf: PictureShelf;
  readonly bases: readonly KnownBase[];
  /** `undefined` where the base's files are not on this machine. */
  readonly facts: BaseFacts | undefined;
  readonly t: Translate;
}

/** The stretch of a node without the quotes of a string. */
export function inside({ type, offset, length }: Node): { readonly start: number; readonly end: number } {
  const quote = type === 'string' && length >= 2 ? 1 : 0;
  return { start: offset + quote, end: offset + length - quote };
}

/** A problem at a node. */
export const problemAt = (
  node: Node,
  code: string,
  severity: Problem['severity'],
  message: string,
  more: Pick<Problem, 'fixes' | 'related'> = {},
): Problem => ({ code, severity, message, ...inside(node), ...more });

/** A fix that puts another string in place of one. */
export const replaceString = (node: Node, text: string, title: string, preferred = false): Fix => ({
  title,
  preferred,
  changes: [{ ...inside(node), text: JSON.stringify(text).slice(1, -1) }],
});
