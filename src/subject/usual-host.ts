import { thisMachine } from '../hosts/this-machine.ts';

/**
 * Where work goes when nobody is asked: where it went last, or this machine, or the only host.
 * @param names of the hosts there are
 * @param last choices, the nearest first; one may be of a host that is gone
 * @returns `undefined` where there is no answer
 */
export function usualHost(
  names: readonly string[],
  last: readonly (string | undefined)[],
): string | undefined {
  const known = last.find((name) => name !== undefined && names.includes(name));
  return known ?? (names.includes(thisMachine) ? thisMachine : names.length === 1 ? names[0] : undefined);
}
