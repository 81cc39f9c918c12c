import type { SubjectFile } from './schema.ts';

/** Where in a JSON file: keys and indices from the outside in. */
export type JsonPath = readonly (string | number)[];

/** Settings that are valid each on its own but not together. */
export interface Contradiction {
  /** The setting to mend. */
  readonly at: JsonPath;
  readonly message: string;
  readonly hint: string;
}

/** A place as people write it: `samples.prompts[0]`. */
export const keyPath = (at: JsonPath): string =>
  at
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '');

/** What a schema cannot say about a subject file that fits it; in the order in which it is best mended. */
export function contradictions(file: SubjectFile): Contradiction[] {
  const found: Contradiction[] = [];
  const { method, training, samples, checkpoints, validation } = file;
  if (typeof training?.minSnrGamma === 'number' && !(training.minSnrGamma > 0))
    found.push({
      at: ['training', 'minSnrGamma'],
      message: 'min-SNR gamma must be above 0',
      hint: 'use 5, or leave it out',
    });
  if (method?.rank !== undefined && method.gamma !== undefined)
    found.push({
      at: ['method', 'gamma'],
      message: 'Both rank and gamma are given',
      hint: "gamma sets each layer's rank by its width; keep one of the two",
    });
  if (method?.name === 'lora' && method.gamma !== undefined)
    found.push({
      at: ['method', 'gamma'],
      message: 'gamma is a setting of PaRa, but the method is LoRA',
      hint: 'use rank',
    });
  for (const key of ['alpha', 'scale'] as const)
    if (method?.name !== 'lora' && method?.[key] !== undefined)
      found.push({
        at: ['method', key],
        message: `${key} is a setting of LoRA, but the method is PaRa`,
        hint: 'leave it out, or set method.name to lora',
      });
  if (method?.alpha !== undefined && method.scale !== undefined)
    found.push({
      at: ['method', 'alpha'],
      message: 'alpha and scale both say how strongly LoRA applies',
      hint: 'leave one out: scale is alpha / rank',
    });
  if (training?.crops !== undefined && training.crop !== 'random')
    found.push({
      at: ['training', 'crops'],
      message: 'crops is a setting of random cropping, but crop is not "random"',
      hint: 'leave it out, or set training.crop to "random"',
    });
  for (const [i, prompt] of (samples?.prompts ?? []).entries())
    if (prompt.includes('<lora:'))
      found.push({
        at: ['samples', 'prompts', i],
        message: 'A sample prompt names an adapter, but samples show the run alone',
        hint: 'take the <lora:...> out; para generate and para compare draw with several adapters',
      });
  if (checkpoints?.best && validation?.every === 0)
    found.push({
      at: ['checkpoints', 'best'],
      message: 'The best checkpoint is told by validation, which is switched off',
      hint: 'set validation.every above 0, or leave checkpoints.best out',
    });
  return found;
}
