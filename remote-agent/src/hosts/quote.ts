import { ParaError } from '../common/errors.ts';

/**
 * One command line for a login shell out of an argument vector. The form means the same to sh, bash, zsh, dash, fish
 * and csh: plain characters as they are, backslash, quote and exclamation mark behind a backslash, the rest in single
 * quotes. The only place where words for a shell are made.
 * @throws ParaError `settings` for line ends and NUL, which no form carries through every shell
 */
export function shellLine(words: readonly string[]): string {
  return words.map(quoted).join(' ');
}

function quoted(word: string): string {
  if (/[\0\r\n]/.test(word))
    throw new ParaError('settings', 'A word for the host holds a line end', { where: JSON.stringify(word) });
  if (word === '') return "''";
  return word.replace(/[A-Za-z0-9_@%+:,./-]+|[\\'!]|[^A-Za-z0-9_@%+:,./\\'!-]+/g, (part) =>
    /^[\\'!]$/.test(part) ? `\\${part}` : /^[A-Za-z0-9_@%+:,./-]+$/.test(part) ? part : `'${part}'`,
  );
}
