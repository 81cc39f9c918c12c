import { nearWords } from '../../remote-agent/src/common/nearest.ts';
import type { Translate } from '../../remote-agent/src/common/translate.ts';
import { adapterTags, parseAdapterTag } from '../../remote-agent/src/diffusion/prompt.ts';
import {
  isPromptLine,
  numberOptions,
  optionHint,
  partsOfLine,
  problemOfOption,
} from '../../remote-agent/src/diffusion/prompt-lines.ts';
import { schedulerNames } from '../../remote-agent/src/diffusion/schedulers/names.ts';
import type { Fix, Problem } from '../platform/problem.ts';
import type { KnownAdapter } from './library.ts';
import { plainSpot, type Spot } from './spot.ts';

/** A line of a prompt file that holds a prompt. */
export interface DocumentLine {
  readonly number: number;
  readonly spot: Spot;
  /** Where the line begins in the document. */
  readonly start: number;
  readonly text: string;
}

/** The lines of a prompt file that hold prompts. */
export function linesOf(text: string): DocumentLine[] {
  const lines: DocumentLine[] = [];
  let start = 0;
  for (const [number, whole] of text.split('\n').entries()) {
    const line = whole.replace(/\r$/, '');
    if (isPromptLine(line)) {
      const { prompt } = partsOfLine(line);
      lines.push({ number, spot: plainSpot(prompt.text, start + prompt.start), start, text: line });
    }
    start += whole.length + 1;
  }
  return lines;
}

/** What cannot be read in a prompt file. */
export function lineProblems(lines: readonly DocumentLine[], t: Translate): Problem[] {
  const problems: Problem[] = [];
  for (const { start, text, spot } of lines) {
    const { options } = partsOfLine(text);
    if (spot.prompt === '')
      problems.push({
        code: 'no-prompt',
        severity: 'error',
        message: t('The line holds options and no prompt: write the prompt first.'),
        start,
        end: start + text.length,
      });
    for (const option of options) {
      if (problemOfOption(option) === undefined) continue;
      const known = Object.hasOwn(numberOptions, option.key);
      problems.push({
        code: 'bad-option',
        severity: 'error',
        message: known
          ? t('--{0} needs a number ({1}).', option.key, numberOptions[option.key as 'w'])
          : option.key === 'ss'
            ? t('--ss needs a scheduler: {0}.', schedulerNames.join(', '))
            : t('--{0} is not known; {1}.', option.key, optionHint),
        start: start + option.start,
        end: start + option.end,
        fixes: [
          {
            title: t('Remove --{0}', option.key),
            changes: [{ start: start + option.start, end: start + option.end, text: '' }],
          },
        ],
      });
    }
  }
  return problems;
}

/** What is wrong with the adapters that a prompt names; `known` is `undefined` where it cannot be told. */
export function adapterProblems(
  { prompt, at }: Spot,
  known: readonly KnownAdapter[] | undefined,
  t: Translate,
): Problem[] {
  return adapterTags(prompt).flatMap(({ start, end, text }): Problem[] => {
    const place = { start: at[start]!, end: at[end]! };
    const adapter = readTag(text);
    if (!adapter)
      return [
        {
          code: 'bad-adapter',
          severity: 'error',
          message: t('{0} cannot be read: write <lora:name:strength>, for example <lora:teapot:0.8>.', text),
          ...place,
        },
      ];
    const found = known?.find(({ name }) => name === adapter.name);
    if (known && !found)
      return [
        {
          code: 'unknown-adapter',
          severity: 'warning',
          message: t('There is no adapter "{0}" in the library.', adapter.name),
          ...place,
          fixes: similar(adapter.name, text, place, known, t),
        },
      ];
    if (found?.method === 'para' && (adapter.strength < 0 || adapter.strength > 1))
      return [
        {
          code: 'adapter-strength',
          severity: 'error',
          message: t(
            'The strength of a PaRa adapter is from 0 to 1: it removes directions, wholly at 1. It is {0}.',
            adapter.strength,
          ),
          ...place,
        },
      ];
    return [];
  });
}

/** An adapter tag that can be read. */
export function readTag(tag: string): ReturnType<typeof parseAdapterTag> | undefined {
  try {
    return parseAdapterTag(tag);
  } catch {
    return undefined; // said by a diagnostic of its own
  }
}

function similar(
  name: string,
  tag: string,
  place: { readonly start: number; readonly end: number },
  known: readonly KnownAdapter[],
  t: Translate,
): Fix[] {
  const names = nearWords(
    name,
    known.map((adapter) => adapter.name),
  );
  return names.slice(0, 3).map((near, i) => ({
    title: t('Use the adapter "{0}"', near),
    changes: [{ ...place, text: tag.replace(/^(<lora:)[^:>]*/, (_, head) => head + near) }],
    preferred: i === 0,
  }));
}
