import { inEnglish, type Translate } from '../../remote-agent/src/common/translate.ts';
import type { BaseCheck } from '../../remote-agent/src/protocol/contract/bases.ts';
import type { RunMemory } from '../../remote-agent/src/protocol/contract/jobs.ts';
import type { TrainSpec } from '../../remote-agent/src/subject/train-spec.ts';
import { bytes, duration, methodName } from '../platform/format.ts';
import type { Run } from './run.ts';

/** What a run will take, as far as can be told beforehand. */
export interface Cost {
  readonly steps: number;
  /** Estimated, in s; `undefined` before the first run of its kind on that host. */
  readonly seconds?: number;
  /** Estimated memory of the run, in bytes. */
  readonly memoryBytes?: number;
  /** How its host would hold it in memory; absent where the host's agent is too old to say. */
  readonly memory?: RunMemory;
}

/** How long a finished run took, as a later one can go by it. */
export interface Pace {
  readonly host: string;
  readonly base: string;
  readonly method: string;
  /** With batch and accumulation 1. */
  readonly secondsPerStep: number;
}

/** Pictures that a step is made of. */
export const picturesAStep = ({ batch, accumulation }: TrainSpec['training']): number => batch * accumulation;

/** The pace of the newest run like this one, preferring the same method on the same host and base. */
export function paceFor(
  paces: readonly Pace[],
  wanted: Pick<Run, 'host' | 'base' | 'method'>,
): number | undefined {
  const alike = paces.filter(({ host, base }) => host === wanted.host && base === wanted.base);
  return (alike.find(({ method }) => method === wanted.method) ?? alike[0])?.secondsPerStep;
}

/**
 * @param pace seconds a step with batch and accumulation 1
 * @param memory the host's plan; where there is none, the check of its base says what it can
 */
export function costOf(spec: TrainSpec, pace?: number, memory?: RunMemory, check?: BaseCheck): Cost {
  const { steps } = spec.training;
  const lean = spec.training.memory === 'lean';
  const checked = lean ? check?.memory?.leanTraining : check?.memory?.training;
  const memoryBytes = memory?.neededBytes ?? checked;
  return {
    steps,
    ...(pace === undefined ? {} : { seconds: pace * steps * picturesAStep(spec.training) }),
    ...(memoryBytes ? { memoryBytes } : {}),
    ...(memory ? { memory } : {}),
  };
}

/** PaRa, 200 steps, about 6 s, 0.9 GB of memory, 8 GB free, memory mode fast. */
export function costWords(
  spec: TrainSpec,
  { steps, seconds, memoryBytes, memory }: Cost,
  t: Translate = inEnglish,
): string {
  return [
    methodName(spec.method.name),
    t('{0} steps', steps),
    seconds === undefined ? t('time known after the first steps') : t('about {0}', duration(seconds)),
    ...(spec.device === 'cpu' ? [] : [t('on its GPU')]),
    ...(memoryBytes === undefined ? [] : [t('{0} of memory', bytes(memoryBytes))]),
    ...(memory?.freeBytes === undefined
      ? []
      : [t('{0} free, memory mode {1}', bytes(memory.freeBytes), memory.mode)]),
  ].join(', ');
}
