/** What is known of the places that pictures can be drawn at. */
export interface Places {
  /** All there are. */
  readonly names: readonly string[];
  /** Where the runs of the adapters are, or where such pictures were sent; the likeliest first. */
  readonly wanted: readonly (string | undefined)[];
  /** Whether it could not be reached when it was tried last. */
  failed(name: string): boolean;
  /** Whether it had the base when it was asked last; `undefined` where it never was. */
  hasBase(name: string): boolean | undefined;
}

/**
 * Where pictures are drawn while nobody says otherwise: at the first place that can be reached, unless only another one
 * is known to have the base; else at one there is.
 * @returns `undefined` where there is no place at all
 */
export function usualPlace({ names, wanted, failed, hasBase }: Places): string | undefined {
  const known = [...wanted, ...names].filter((name) => name !== undefined && names.includes(name));
  const reached = known.filter((name) => !failed(name!));
  const [first] = reached;
  const better = first !== undefined && hasBase(first) === false && reached.find((name) => hasBase(name!));
  return better || first || known[0];
}
