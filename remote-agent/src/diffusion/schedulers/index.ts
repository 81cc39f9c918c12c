import { ParaError } from '../../common/errors.ts';
import type { SchedulerConfig } from '../base-config.ts';
import { ddim } from './ddim.ts';
import { dpmpp2m, dpmpp2mKarras } from './dpmpp-2m.ts';
import { euler } from './euler.ts';
import { eulerAncestral } from './euler-ancestral.ts';
import { type SchedulerName, schedulerLabels, schedulerNames } from './names.ts';
import type { Scheduler, SchedulerMaker, SchedulerOptions } from './scheduler.ts';

export { schedulerByLabel, schedulerNames } from './names.ts';

const makers: Readonly<Record<SchedulerName, SchedulerMaker>> = {
  ddim,
  euler,
  'euler-ancestral': eulerAncestral,
  'dpmpp-2m': dpmpp2m,
  'dpmpp-2m-karras': dpmpp2mKarras,
};

/** Name of a scheduler as the field writes it, e.g. `Euler a`. @throws ParaError `settings` for an unknown name */
export const schedulerLabel = (name: string): string => schedulerLabels[known(name)];

/** Makes a scheduler for one picture or batch. @throws ParaError `settings` for an unknown name or bad steps */
export function makeScheduler(name: string, config: SchedulerConfig, options: SchedulerOptions): Scheduler {
  return makers[known(name)](config, options);
}

function known(name: string): SchedulerName {
  if (!Object.hasOwn(makers, name))
    throw new ParaError('settings', `There is no scheduler "${name}"`, {
      where: 'scheduler',
      hint: `choose one of: ${schedulerNames.join(', ')}`,
    });
  return name as SchedulerName;
}
