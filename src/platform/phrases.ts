/** A sentence with places for values, and what it is in another language. */
interface Phrase {
  readonly said: RegExp;
  /** Which value of the sentence stands at each place, in their order there. */
  readonly places: readonly number[];
  readonly translation: string;
}

/** How deep sentences are looked for within sentences. */
const depth = 2;

/**
 * Sentences of programs that speak English wherever they run, in another language: found among the texts of a bundle
 * (`l10n/bundle.l10n.LANGUAGE.json`) by what is the same each time.
 */
export class Phrases {
  readonly #bundle: ReadonlyMap<string, string>;
  readonly #phrases: readonly Phrase[];

  constructor(bundle: Readonly<Record<string, string>>) {
    this.#bundle = new Map(Object.entries(bundle));
    const fixed = (text: string) => text.replace(/\{\d+\}/g, '').length;
    this.#phrases = [...this.#bundle.keys()]
      .filter((text) => /\{\d+\}/.test(text) && isTelling(text))
      // What says more of itself is more surely meant.
      .sort((a, b) => fixed(b) - fixed(a))
      .map((text) => phrase(text, this.#bundle.get(text)!));
  }

  /** The sentence in the bundle's language; as it is where the bundle does not know it. */
  translate(sentence: string): string {
    return this.#translate(sentence, depth);
  }

  #translate(sentence: string, left: number): string {
    const whole = this.#bundle.get(sentence);
    if (whole !== undefined || left === 0) return whole ?? sentence;
    for (const { said, places, translation } of this.#phrases) {
      const found = said.exec(sentence);
      if (!found) continue;
      const values = new Map(places.map((place, i) => [place, this.#translate(found[i + 1]!, left - 1)]));
      return translation.replace(/\{(\d+)\}/g, (all, place: string) => values.get(Number(place)) ?? all);
    }
    return sentence;
  }
}

/** Whether a text is known again by what is fixed in it: two words, or its beginning. "{0} and {1}" is everywhere. */
const isTelling = (text: string) =>
  /^\p{L}{3}/u.test(text) || /\p{L}{2,}\P{L}+\p{L}{2,}/u.test(text.replace(/\{\d+\}/g, ''));

function phrase(text: string, translation: string): Phrase {
  const places: number[] = [];
  const pattern = text.split(/\{(\d+)\}/).map((part, i) => {
    if (i % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    places.push(Number(part));
    return '(.*?)';
  });
  return { said: new RegExp(`^${pattern.join('')}$`, 's'), places, translation };
}
