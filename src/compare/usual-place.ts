/** What is known of the places that pictures can be drawn at. */
export interface Places {
  /** All there are. */
  readonly names: readonly string[];
  /** Where the runs of the adapters are, or where such pictures were sent; the likeliest first. */
  readonly wanted: readonly (string | undefined)[];
  /** Whether it could not be reached when it was tried last. */
  failed(name: string): boolean;
  /** Whether it is known to have no such base. */
  lacksBase(name: string): boolean;
}

/**
 * Where pictures are drawn while nobody says otherwise: at the first place that can be reached and has the base, else at
 * one that can be reached, else at one there is.
 * @returns `undefined` where there is no place at all
 */
export function usualPlace({ names, wanted, failed, lacksBase }: Places): string | undefined {
  const known = [...wanted, ...names].filter((name) => name !== undefined && names.includes(name));
  const reached = known.filter((name) => !failed(name!));
  return reached.find((name) => !lacksBase(name!)) ?? reached[0] ?? known[0];
}
