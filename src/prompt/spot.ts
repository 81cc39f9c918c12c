/** A prompt somewhere in a document: a line of a prompt file, or a string of a subject file. */
export interface Spot {
  readonly prompt: string;
  /** For each UTF-16 unit of the prompt where in the document it stands, and one more for its end. */
  readonly at: readonly number[];
  /** Where something that is said about the whole prompt may be put. */
  readonly after: number;
}

/** The prompts of a document and the base whose tokenizers they are for. */
export interface Spots {
  readonly base: string;
  readonly spots: readonly Spot[];
}

/** The spot of a stretch of text that stands in the document as it is. */
export const plainSpot = (prompt: string, start: number): Spot => ({
  prompt,
  at: Array.from({ length: prompt.length + 1 }, (_, i) => start + i),
  after: start + prompt.length,
});

/** The spot that holds an offset, and the offset in its prompt. */
export function spotAt(
  spots: readonly Spot[],
  offset: number,
): { readonly spot: Spot; readonly index: number } | undefined {
  for (const spot of spots) {
    if (offset < spot.at[0]! || offset > spot.at.at(-1)!) continue;
    const next = spot.at.findIndex((place) => place > offset);
    return { spot, index: next < 0 ? spot.prompt.length : next - 1 };
  }
  return undefined;
}
