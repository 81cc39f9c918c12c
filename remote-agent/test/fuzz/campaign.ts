import { ParaError } from '../../src/common/errors.ts';
import { mutate, seeded } from './mutate.ts';
import type { Target } from './targets.ts';

/** What became of the damaged files of one kind. */
export interface Tally {
  readonly kind: string;
  readonly cases: number;
  /** How often a file was still good (`read`) or was refused, by error code. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** Everything that was neither: the seed makes the case again. */
  readonly escaped: readonly { readonly seed: number; readonly message: string }[];
  readonly slowestMs: number;
}

/** Reads `count` damaged files; case k has the seed `seed + k`. */
export async function campaign(target: Target, seed: number, count: number): Promise<Tally> {
  const outcomes = new Map<string, number>();
  const escaped: { seed: number; message: string }[] = [];
  let slowestMs = 0;
  for (let k = 0; k < count; k++) {
    const random = seeded(seed + k);
    const example = target.examples[Math.floor(random() * target.examples.length)]!;
    const damaged = mutate(example, random);
    if (random() < 0.7) target.mend?.(damaged);
    const begin = performance.now();
    let outcome = 'read';
    try {
      await target.read(damaged);
    } catch (error) {
      if (error instanceof ParaError) outcome = error.code;
      else {
        outcome = 'escaped';
        escaped.push({
          seed: seed + k,
          message: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
      }
    }
    slowestMs = Math.max(slowestMs, performance.now() - begin);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  return { kind: target.kind, cases: count, outcomes, escaped, slowestMs };
}
