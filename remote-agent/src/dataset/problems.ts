import { basename } from 'node:path';
import { ParaError } from '../common/errors.ts';

/** Collects what is wrong with pictures, so that all of it is told at once. */
export class PictureProblems {
  readonly #found = new Map<string, ParaError>();

  /** Keeps a `picture` error; anything else is thrown on. */
  add(cause: unknown): void {
    if (!(cause instanceof ParaError) || cause.code !== 'picture') throw cause;
    const key = `${cause.where}\n${cause.message}`;
    if (!this.#found.has(key)) this.#found.set(key, cause);
  }

  /** @throws ParaError `picture`: the only problem as it is, or one error that lists them all; none: returns */
  throwIfAny(): void {
    const problems = [...this.#found.values()];
    if (problems.length === 0) return;
    if (problems.length === 1) throw problems[0]!;
    const lines = problems.map((p) => `  - ${p.message}${p.hint ? ` (${p.hint})` : ''}`);
    const where = [...new Set(problems.map((p) => p.where).filter((w) => w !== undefined))];
    throw new ParaError('picture', `${problems.length} problems with the pictures:\n${lines.join('\n')}`, {
      where: where.join(', '),
      hint: 'mend these pictures or take them out of the subject file',
      cause: problems,
    });
  }
}

/** "a.png, b.png and 3 more". */
export function namesOf(paths: readonly string[], most = 8): string {
  const names = paths.map((path) => basename(path));
  if (names.length <= most) return names.join(', ');
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}
