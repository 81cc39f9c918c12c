import { ParaError } from '../common/errors.ts';
import type { Base } from '../diffusion/base.ts';
import { keptWords } from './checkpoint.ts';

/**
 * Makes sure, before a run loads something of its base or keeps what it computed with it, that the base's files are what
 * they were: others of the same layout would silently give other numbers.
 * @param state path of the run's saved state
 * @throws ParaError `base` with the file, how it differs and what to do; what was kept before stays
 */
export function requireUnchanged(base: Base, state: string): void {
  try {
    base.check();
  } catch (cause) {
    if (!(cause instanceof ParaError)) throw cause;
    throw cause.withHint(
      `bring the former file back and continue the run (${keptWords(state)}), or start a new run with a base of the file that is there now`,
    );
  }
}
