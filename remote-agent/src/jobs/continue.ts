import { ParaError } from '../common/errors.ts';
import { writeFileAtomic } from '../common/files.ts';
import { jobFiles, readSpec, readStatus } from './job.ts';

/** Raises the number of steps of a run. @throws ParaError `settings` when that would change the steps made so far */
export function continueTo(directory: string, steps: number, agreed: boolean): void {
  const spec = readSpec(directory);
  if (steps < readStatus(directory).step)
    throw new ParaError('settings', `The run has already made more than ${steps} steps`, {
      where: directory,
    });
  if (spec.training.schedule !== 'constant' && steps !== spec.training.steps && !agreed)
    throw new ParaError(
      'settings',
      `This run's learning rate falls to zero at step ${spec.training.steps}; continuing to ${steps} stretches the rest of the fall over the new length, which is not what a run of ${steps} steps from the start would have done`,
      { where: 'training.schedule', hint: 'add --continue-schedule to do it all the same' },
    );
  writeFileAtomic(
    jobFiles(directory).spec,
    `${JSON.stringify({ ...spec, training: { ...spec.training, steps } }, null, 2)}\n`,
  );
}
