import { readFileSync } from 'node:fs';
import { ParaError } from '../common/errors.ts';
import { isPromptLine, type PromptLine, parsePromptLine } from '../diffusion/prompt-lines.ts';

/**
 * Reads a prompt file: one prompt a line with `--w --h --d (seed) --s (steps) --l (guidance) --ss (scheduler) --n
 * (negative)`; empty lines and lines that start with # are passed over.
 * @throws ParaError `prompt` naming the line
 */
export function readPrompts(path: string): PromptLine[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ParaError('prompt', 'The prompt file cannot be read', {
      where: path,
      hint: 'check the path',
      cause,
    });
  }
  const lines = text.split('\n').flatMap((line, i) => {
    return isPromptLine(line) ? [parsePromptLine(line, `${path}:${i + 1}`)] : [];
  });
  if (lines.length === 0)
    throw new ParaError('prompt', 'The prompt file holds no prompt', {
      where: path,
      hint: 'write one prompt a line',
    });
  return lines;
}
