import { readFileSync } from 'node:fs';
import { ParaError } from '../common/errors.ts';

/** One line of a `*.prompts` file; what a line leaves out is `undefined`. */
export interface PromptLine {
  readonly prompt: string;
  readonly negative?: string;
  readonly width?: number;
  readonly height?: number;
  readonly seed?: number;
  readonly steps?: number;
  readonly guidance?: number;
}

const numbers = { w: 'width', h: 'height', d: 'seed', s: 'steps', l: 'guidance' } as const;

/**
 * Reads a prompt file: one prompt a line with `--w --h --d (seed) --s (steps) --l (guidance) --n (negative)`; empty
 * lines and lines that start with # are passed over.
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
    const trimmed = line.trim();
    return trimmed === '' || trimmed.startsWith('#') ? [] : [parsePromptLine(trimmed, `${path}:${i + 1}`)];
  });
  if (lines.length === 0)
    throw new ParaError('prompt', 'The prompt file holds no prompt', {
      where: path,
      hint: 'write one prompt a line',
    });
  return lines;
}

/** Parses one line. @throws ParaError `prompt` for no prompt, an unknown option or a value that is no number */
export function parsePromptLine(line: string, where = 'prompt'): PromptLine {
  const [prompt = '', ...options] = ` ${line}`.split(/\s+--(?=\w+(?:\s|$))/);
  if (prompt.trim() === '')
    throw new ParaError('prompt', 'The line holds options and no prompt', {
      where,
      hint: 'write the prompt first',
    });
  const values: Record<string, number | string> = {};
  for (const option of options) {
    const [key = '', ...rest] = option.split(/\s+/);
    const value = rest.join(' ');
    if (key === 'n') values.negative = value;
    else if (key in numbers && value !== '' && Number.isFinite(Number(value)))
      values[numbers[key as keyof typeof numbers]] = Number(value);
    else
      throw new ParaError('prompt', `"--${option}" is not understood`, {
        where,
        hint: 'options: --w width, --h height, --d seed, --s steps, --l guidance, --n negative prompt',
      });
  }
  return { prompt: prompt.trim(), ...values };
}
