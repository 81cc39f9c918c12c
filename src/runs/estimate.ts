import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../remote-agent/src/common/files.ts';

/** What was said of a run before it began. Time in s, memory in bytes; absent where nobody could tell. */
export interface Estimate {
  /** All of it in words. */
  readonly text: string;
  readonly seconds?: number;
  readonly memoryBytes?: number;
}

const fileOf = (directory: string) => join(directory, 'estimate.json');

/** Keeps with a run what was said of it beforehand. @throws ParaError `disk` */
export const noteEstimate = (directory: string, estimate: Estimate): void =>
  writeFileAtomic(fileOf(directory), `${JSON.stringify(estimate)}\n`);

/** What was said of a run; `undefined` where it was started otherwise than in an editor. */
export function readEstimate(directory: string): Estimate | undefined {
  try {
    const { text, seconds, memoryBytes } = JSON.parse(readFileSync(fileOf(directory), 'utf8'));
    if (typeof text !== 'string') return undefined;
    return {
      text,
      ...(typeof seconds === 'number' ? { seconds } : {}),
      ...(typeof memoryBytes === 'number' ? { memoryBytes } : {}),
    };
  } catch {
    return undefined;
  }
}
