import {
  applyEdits,
  createScanner,
  findNodeAtLocation,
  format,
  modify,
  type Node,
  parseTree,
} from 'jsonc-parser';
import type { JsonPath } from '../../remote-agent/src/subject/contradictions.ts';
import type { TextChange } from '../platform/problem.ts';

/** `SyntaxKind.CommaToken` of the parser, whose enumeration is for its types alone. */
const commaToken = 5;

/** Indentation and line ends of a text, as far as it shows them. */
function formatting(text: string) {
  const indent = /\n([ \t]+)\S/.exec(text)?.[1] ?? '  ';
  return {
    insertSpaces: !indent.startsWith('\t'),
    tabSize: indent.startsWith('\t') ? 1 : indent.length,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
}

/**
 * Changes that give a place of a JSON text another value, or take it out (`undefined`); comments and the layout of the
 * rest stay. An index one beyond the end of a list adds to it.
 * @throws Error where the place lies in something that is neither object nor list
 */
export function setValue(text: string, at: JsonPath, value: unknown): TextChange[] {
  const root = parseTree(text, [], { allowTrailingComma: true });
  const exists = root !== undefined && findNodeAtLocation(root, [...at]) !== undefined;
  if (!exists && value === undefined) return [];
  const item = at.at(-1);
  if (value === undefined && typeof item === 'number')
    return difference(
      text,
      changed(text, removeItem(text, findNodeAtLocation(root!, at.slice(0, -1))!, item)),
    );
  const isArrayInsertion = typeof at.at(-1) === 'number' && !exists;
  const parts = modify(text, [...at], value, { isArrayInsertion }).flatMap(({ offset, length, content }) =>
    length === 0
      ? behindComment(text, offset, content)
      : [{ start: offset, end: offset + length, text: content }],
  );
  const after = changed(text, parts);
  // A value in the place of another lies as that did.
  const keepsLayout = value === undefined || (exists && typeof value !== 'object');
  return difference(text, keepsLayout ? after : laidOut(after, parts));
}

/**
 * Takes one item out of a list, with its comma and the comment behind it on its line. (`modify` counts on the layout of
 * the list where the item is its last.)
 */
function removeItem(text: string, list: Node, index: number): TextChange[] {
  const items = list.children ?? [];
  const { offset, length } = items[index]!;
  const comma = commaAfter(text, offset + length);
  let start = offset;
  let end = (comma ?? offset + length - 1) + 1;
  const comment = /^[ \t]*(?:\/\/[^\r\n]*|\/\*[^\r\n]*?\*\/[ \t]*(?=\r?\n))/.exec(text.slice(end));
  if (comment) end += comment[0].length;
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const restOfLine = /^[ \t]*\r?\n/.exec(text.slice(end));
  if (restOfLine && text.slice(lineStart, start).trim() === '') {
    start = lineStart;
    end += restOfLine[0].length;
  } else if (index < items.length - 1) end += /^[ \t]*/.exec(text.slice(end))![0].length;
  else start -= /[ \t]*$/.exec(text.slice(0, start))![0].length;
  const removed = { start, end, text: '' };
  const before = items[index - 1];
  if (index < items.length - 1 || comma !== undefined || !before) return [removed];
  const left = commaAfter(text, before.offset + before.length)!;
  return [{ start: left, end: left + 1, text: '' }, removed];
}

/** Where the comma stands that comes next, comments passed over; `undefined` where something else comes. */
function commaAfter(text: string, offset: number): number | undefined {
  const scanner = createScanner(text, true);
  scanner.setPosition(offset);
  return scanner.scan() === commaToken ? scanner.getTokenOffset() : undefined;
}

/** A comment at the end of a line belongs to what stands before it: what is added goes behind the comment. */
function behindComment(text: string, offset: number, content: string): TextChange[] {
  const [rest] = /^,?[ \t]*(?:\/\/[^\r\n]*|\/\*[^\r\n]*?\*\/)?/.exec(text.slice(offset))!;
  if (!content.startsWith(',') || !/[,/]/.test(rest)) return [{ start: offset, end: offset, text: content }];
  const comma = rest.startsWith(',') ? [] : [{ start: offset, end: offset, text: ',' }];
  const end = offset + rest.length;
  return [...comma, { start: end, end, text: `\n${content.slice(1)}` }];
}

/** The text with the lines that were changed in the layout of the others. */
function laidOut(text: string, made: readonly TextChange[]): string {
  const offset = Math.min(...made.map(({ start }) => start));
  const grown = made.reduce((sum, change) => sum + change.text.length - (change.end - change.start), 0);
  const end = Math.max(...made.map((change) => change.end)) + grown;
  const lineStart = text.lastIndexOf('\n', offset - 1) + 1;
  const lineEnd = text.indexOf('\n', end);
  const range = { offset: lineStart, length: (lineEnd < 0 ? text.length : lineEnd) - lineStart };
  return applyEdits(text, format(text, range, formatting(text)));
}

/** A text with changes made. */
export const changed = (text: string, changes: readonly TextChange[]): string =>
  applyEdits(
    text,
    changes.map(({ start, end, text: content }) => ({ offset: start, length: end - start, content })),
  );

/** Several values set one after the other, as changes of the text before all of them. */
export function setValues(text: string, values: readonly (readonly [JsonPath, unknown])[]): TextChange[] {
  const after = values.reduce((now, [at, value]) => changed(now, setValue(now, at, value)), text);
  return difference(text, after);
}

/** The one stretch in which two texts differ. */
export function difference(before: string, after: string): TextChange[] {
  if (before === after) return [];
  let start = 0;
  while (start < before.length && before[start] === after[start]) start++;
  let end = 0;
  const room = Math.min(before.length, after.length) - start;
  while (end < room && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  return [{ start, end: before.length - end, text: after.slice(start, after.length - end) }];
}
