import type { BaseCheck } from '../../remote-agent/src/protocol/contract/bases.ts';
import type { TrainSpec } from '../../remote-agent/src/subject/train-spec.ts';
import type { Run } from './run.ts';

/** What a run will take, as far as can be told beforehand. */
export interface Cost {
  readonly steps: number;
  /** Estimated, in s; `undefined` before the first run of its kind on that host. */
  readonly seconds?: number;
  /** Estimated memory of training, in bytes. */
  readonly memoryBytes?: number;
}

/** How long a finished run took, as a later one can go by it. */
export interface Pace {
  readonly host: string;
  readonly base: string;
  readonly method: string;
  readonly secondsPerStep: number;
}

/** The pace of the newest run like this one, preferring the same method on the same host and base. */
export function paceFor(
  paces: readonly Pace[],
  wanted: Pick<Run, 'host' | 'base' | 'method'>,
): number | undefined {
  const alike = paces.filter(({ host, base }) => host === wanted.host && base === wanted.base);
  return (alike.find(({ method }) => method === wanted.method) ?? alike[0])?.secondsPerStep;
}

/** @param pace seconds a step with batch and accumulation 1 */
export function costOf(spec: TrainSpec, pace?: number, check?: BaseCheck): Cost {
  const { steps, accumulation, memory } = spec.training;
  const memoryBytes = memory === 'lean' ? check?.memory?.leanTraining : check?.memory?.training;
  return {
    steps,
    ...(pace === undefined ? {} : { seconds: pace * steps * accumulation }),
    ...(memoryBytes ? { memoryBytes } : {}),
  };
}
