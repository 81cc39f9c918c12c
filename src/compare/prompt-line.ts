import { type PromptAdapter, parsePrompt } from '../../remote-agent/src/diffusion/prompt.ts';
import { type PromptLine, parsePromptLine } from '../../remote-agent/src/diffusion/prompt-lines.ts';

/** A prompt with the settings and adapters that it names itself; its words are without them. */
export interface ReadLine extends PromptLine {
  readonly adapters: readonly PromptAdapter[];
}

/**
 * Reads a prompt as prompt files have it: `a dog <lora:dog:0.8> --d 7 --s 20 --l 5 --n blurry`.
 * @throws ParaError `prompt` for what is not understood
 */
export function readLine(text: string): ReadLine {
  if (text.trim() === '') return { prompt: '', adapters: [] };
  const line = parsePromptLine(text.replaceAll('\n', ' '));
  const { adapters } = parsePrompt(line.prompt);
  const prompt = line.prompt
    .replace(/<lora:[^<>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return { ...line, prompt, adapters };
}
