import { ParaError } from '../common/errors.ts';
import { sizeText } from '../common/size-text.ts';
import { memoryAtHand } from '../runtime/memory.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { keptWords } from './checkpoint.ts';
import type { TrainHooks } from './events.ts';
import type { RunSessions } from './sessions.ts';

/** What of a run is asked when its device's memory is full. */
interface Run {
  readonly spec: TrainSpec;
  readonly paths: { readonly state: string };
  readonly hooks: TrainHooks;
  readonly sessions: RunSessions;
}

/**
 * Does a part of a run that changes nothing unless it succeeds. Where the device's memory is full and the subject file
 * leaves the choice (`training.memory` "auto"), everything is freed and the part is done again in `lean`, one session at
 * a time; the run stays there.
 * @throws ParaError `memory` saying what is kept and what to do, where that was not enough or not allowed
 */
export async function withinMemory<T>(run: Run, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof ParaError) || cause.code !== 'memory') throw cause;
    const auto = run.spec.training.memory === 'auto';
    if (!auto || !(await run.sessions.lessen())) throw told(run, cause);
    const { where } = cause;
    run.hooks.emit({
      type: 'note',
      message: `${cause.message}${where ? ` (${where})` : ''}: the run goes on in "lean", with one session at a time; what it computes stays the same`,
    });
    return withinMemory(run, work);
  }
}

function told({ spec, paths }: Run, cause: ParaError): ParaError {
  const { memory, resolution, batch } = spec.training;
  const free = memoryAtHand(spec.device);
  const where = [cause.where, free === undefined ? undefined : `${sizeText(free)} are free now`];
  const less = [
    ...(memory === 'fast' ? ['training.memory "auto" or "lean"'] : []),
    ...(spec.samples.memory === 'beside' ? ['samples.memory "turns"'] : []),
    `a smaller training.resolution${resolution === null ? '' : ` than ${resolution}`}`,
    ...(batch > 1 ? [`a training.batch below ${batch}`] : []),
  ];
  return new ParaError('memory', cause.message, {
    where: where.filter((part) => part !== undefined).join('; '),
    hint: `end other programs and continue the run (${keptWords(paths.state)}), or start a new one with ${less.join(', ')}`,
    cause,
  });
}
