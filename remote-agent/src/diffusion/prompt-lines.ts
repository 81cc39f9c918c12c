import { ParaError } from '../common/errors.ts';
import { schedulerByLabel, schedulerNames } from './schedulers/names.ts';

/** One line of a `*.prompts` file; what a line leaves out is `undefined`. */
export interface PromptLine {
  readonly prompt: string;
  readonly negative?: string;
  readonly width?: number;
  readonly height?: number;
  readonly seed?: number;
  readonly steps?: number;
  readonly guidance?: number;
  /** One of `schedulerNames`. */
  readonly scheduler?: string;
}

/** Options of a line that take a number. */
export const numberOptions = { w: 'width', h: 'height', d: 'seed', s: 'steps', l: 'guidance' } as const;

/** What a line may say after its prompt. */
export const optionHint =
  'options: --w width, --h height, --d seed, --s steps, --l guidance, --ss scheduler, --n negative prompt';

/** What `--ss` may say: the name that sd-scripts has for the option, the names of schedulers here. */
export const schedulerHint = `schedulers: ${schedulerNames.join(', ')}`;

/** A stretch of a line, from `start` to before `end`. */
export interface Part {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** `--key value`: all of it, and its value, which may be empty. */
export interface OptionPart extends Part {
  readonly key: string;
  readonly value: Part;
}

/** Whether a line holds a prompt: it is neither empty nor a comment. */
export const isPromptLine = (line: string): boolean => /^\s*[^\s#]/.test(line);

/** A line taken apart, whether its options are known or not. */
export function partsOfLine(line: string): { prompt: Part; options: OptionPart[] } {
  const part = (start: number, end: number): Part => {
    const text = line.slice(start, end);
    const from = Math.min(end, start + text.length - text.trimStart().length);
    return { text: text.trim(), start: from, end: Math.max(from, start + text.trimEnd().length) };
  };
  const marks = [...line.matchAll(/(?<=^|\s)--(\w+)(?=\s|$)/g)];
  const options = marks.map((mark, i): OptionPart => {
    const [whole, key = ''] = mark;
    const end = marks[i + 1]?.index ?? line.length;
    return { ...part(mark.index, end), key, value: part(mark.index + whole.length, end) };
  });
  return { prompt: part(0, marks[0]?.index ?? line.length), options };
}

/** What is wrong with an option, in words; `undefined` where nothing is. */
export function problemOfOption({ key, value, text }: OptionPart): string | undefined {
  if (key === 'n') return undefined;
  if (key === 'ss' && schedulerByLabel(value.text)) return undefined;
  const known = Object.hasOwn(numberOptions, key) && value.text !== '' && Number.isFinite(Number(value.text));
  return known ? undefined : `"${text}" is not understood`;
}

/**
 * Parses one line: a prompt with `--w --h --d (seed) --s (steps) --l (guidance) --ss (scheduler) --n (negative)`.
 * @throws ParaError `prompt` for no prompt, an unknown option or scheduler, or a value that is no number
 */
export function parsePromptLine(line: string, where = 'prompt'): PromptLine {
  const { prompt, options } = partsOfLine(line);
  if (prompt.text === '')
    throw new ParaError('prompt', 'The line holds options and no prompt', {
      where,
      hint: 'write the prompt first',
    });
  const values: Record<string, number | string> = {};
  for (const option of options) {
    const problem = problemOfOption(option);
    const { key, value } = option;
    const hint = key === 'ss' ? schedulerHint : optionHint;
    if (problem) throw new ParaError('prompt', problem, { where, hint });
    if (key === 'ss') values.scheduler = schedulerByLabel(value.text)!;
    else if (key === 'n') values.negative = value.text.replace(/\s+/g, ' ');
    else values[numberOptions[key as keyof typeof numberOptions]] = Number(value.text);
  }
  return { prompt: prompt.text, ...values };
}
