import type { Translate } from '../../remote-agent/src/common/translate.ts';

/** Words for what most subjects are, the most usual first. */
export const usualClasses: readonly string[] = [
  ...['person', 'dog', 'cat', 'toy', 'backpack', 'teapot', 'robot', 'doll', 'shoe', 'vase', 'car', 'house'],
  ...['bottle', 'clock', 'figurine', 'plant', 'bird', 'horse', 'chair', 'style'],
];

/** The name of a subject after its folder, in signs that every file system takes. */
export function subjectName(folder: string): string {
  const name = folder
    .replace(/[<>:"/\\|?*\p{Cc}]+/gu, '-')
    .replace(/[\s-]+/g, '-')
    .replace(/^[.-]+|[.-]+$/g, '');
  return name === '' ? 'subject' : name.toLowerCase();
}

/** The class that a name speaks of, where it does: `my-dogs` is about a dog. */
export function guessClass(name: string): string {
  const words = name.toLowerCase().split(/[^\p{L}]+/u);
  return usualClasses.find((one) => words.includes(one) || words.includes(`${one}s`)) ?? '';
}

/** What a new subject file says. */
export interface Draft {
  readonly trigger: string;
  readonly className: string;
  /** Names of pictures beside the file; `all`: every picture of its folder. */
  readonly pictures: readonly string[] | 'all';
  readonly base: string;
}

/** The text of a new subject file: what is needed, with a word on each line; everything else has a good default. */
export function draftSubject({ trigger, className, pictures, base }: Draft, t: Translate): string {
  const text = (value: string) => JSON.stringify(value);
  const entries =
    pictures === 'all' ? '["."]' : `[\n${pictures.map((name) => `    ${text(name)}`).join(',\n')}\n  ]`;
  const subject = `a ${trigger} ${className}`;
  return `{
  // ${t('The model that learns the subject.')}
  "base": ${text(base)},
  // ${pictures === 'all' ? t('All pictures of this folder.') : t('Five or six from different sides are enough.')}
  "pictures": ${entries},
  // ${t('A word that the model does not know yet, and what kind of thing it will mean.')}
  "trigger": ${text(trigger)},
  "class": ${text(className)},
  // ${t('Drawn during training, to see how it goes.')}
  "samples": { "prompts": [${text(`${subject} on the beach`)}, ${text(`${subject} in the forest`)}] }
}
`;
}
