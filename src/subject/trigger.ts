import type { TokenCounter } from '../prompt/base-facts.ts';

/** Everyday words that a small vocabulary may lack and every large model knows. */
const everyday = new Set(
  `a an and animal art baby bag bear big bird black blue boat book bottle boy brown bus cake car cat chair child city
  coat cow cup dog doll dress duck face fish flower food fox friend frog girl glass gold green guy hair hand hat
  head horse house human it jar kid lady lamp lion man me mug my object one orange owl person pet phone photo picture
  pink plant plate purple red ring robot rose self shirt shoe silver sketch sky small sneaker sofa star style subject
  sun table teapot that the thing this token toy tree trigger vase watch white wolf woman word yellow you young`
    .split(/\s+/)
    .filter((word) => word !== ''),
);

/** Words made of signs that rarely stand together; none means anything. */
const candidates = [
  ...[
    'zwx',
    'ohwx',
    'qvz',
    'xjw',
    'vqk',
    'wzq',
    'jxq',
    'kvx',
    'zqj',
    'qxw',
    'vzx',
    'xqv',
    'wqx',
    'zxk',
    'jqv',
  ],
  ...['qzwx', 'xvqj', 'zkqx', 'wxvq', 'jzqx', 'kqzx', 'vxqz', 'qjxw', 'xzvq', 'zvqw'],
];

/** Whether a model knows every word of a trigger already, so that it would be a poor name for something new. */
export function isCommon(trigger: string, counters: readonly TokenCounter[]): boolean {
  const words = trigger
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  return (
    words.length > 0 &&
    words.every((word) => everyday.has(word.toLowerCase()) || counters.some((counter) => counter.knows(word)))
  );
}

/**
 * A word that these tokenizers do not know.
 * @param taken words that are not to be chosen, such as those of other subjects
 */
export function rareTrigger(counters: readonly TokenCounter[], taken: ReadonlySet<string>): string {
  const free = candidates.filter((word) => !taken.has(word) && !isCommon(word, counters));
  const [first] = free;
  if (first) return first;
  for (let n = 2; ; n++) if (!taken.has(`zwx${n}`)) return `zwx${n}`;
}

const special = /[.*+?^${}()|[\]\\]/g;

/** Finds a word or words as a whole, whatever the case. */
export const wholeWord = (word: string, flags = 'iu'): RegExp =>
  new RegExp(`(?<![\\p{L}\\p{N}])${word.trim().replace(special, '\\$&')}(?![\\p{L}\\p{N}])`, flags);

/** Whether a text names the trigger. */
export const names = (text: string, trigger: string): boolean =>
  trigger.trim() !== '' && wholeWord(trigger).test(text);

/** A caption with the trigger in it: before its class word, or else in front. */
export function withTrigger(caption: string, trigger: string, className: string): string {
  const found = className.trim() === '' ? undefined : wholeWord(className).exec(caption);
  if (found) return `${caption.slice(0, found.index)}${trigger} ${caption.slice(found.index)}`;
  const subject = `a ${trigger} ${className}`.trim();
  return caption.trim() === '' ? subject : `${subject}, ${caption}`;
}

/** A text with another trigger in place of `from`. */
export const renamed = (text: string, from: string, to: string): string =>
  text.replace(wholeWord(from, 'giu'), () => to);
