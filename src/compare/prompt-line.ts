import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { type PromptAdapter, parsePrompt } from '../../remote-agent/src/diffusion/prompt.ts';

/** A prompt with the settings and adapters that it names itself. */
export interface PromptLine {
  /** Without adapters and settings. */
  readonly prompt: string;
  readonly adapters: readonly PromptAdapter[];
  readonly negative?: string;
  readonly width?: number;
  readonly height?: number;
  readonly seed?: number;
  readonly steps?: number;
  readonly guidance?: number;
}

const numbers = { w: 'width', h: 'height', d: 'seed', s: 'steps', l: 'guidance' } as const;

/**
 * Reads a prompt as prompt files have it: `a dog <lora:dog:0.8> --d 7 --s 20 --l 5 --n blurry`.
 * @throws ParaError `prompt` for what is not understood
 */
export function readLine(text: string): PromptLine {
  const [words = '', ...options] = ` ${text.replaceAll('\n', ' ')}`.split(/\s+--(?=\w+(?:\s|$))/);
  const { adapters } = parsePrompt(words);
  const values: Record<string, number | string> = {};
  for (const option of options) {
    const [key = '', ...rest] = option.trim().split(/\s+/);
    const value = rest.join(' ');
    if (key === 'n') values.negative = value;
    else if (Object.hasOwn(numbers, key) && value !== '' && Number.isFinite(Number(value)))
      values[numbers[key as keyof typeof numbers]] = Number(value);
    else
      throw new ParaError('prompt', `"--${option}" is not understood`, {
        hint: 'options: --w width, --h height, --d seed, --s steps, --l guidance, --n negative prompt',
      });
  }
  const prompt = words
    .replace(/<lora:[^<>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return { prompt, adapters, ...values };
}
