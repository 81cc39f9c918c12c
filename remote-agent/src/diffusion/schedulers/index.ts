import { ParaError } from '../../common/errors.ts';
import type { SchedulerConfig } from '../base-config.ts';
import { ddim } from './ddim.ts';
import { dpmpp2m, dpmpp2mKarras } from './dpmpp-2m.ts';
import { euler } from './euler.ts';
import { eulerAncestral } from './euler-ancestral.ts';
import type { Scheduler, SchedulerMaker, SchedulerOptions } from './scheduler.ts';

/** Schedulers by the name that commands and files use, with the name that `parameters` texts use. */
const makers: Readonly<Record<string, { label: string; make: SchedulerMaker }>> = {
  ddim: { label: 'DDIM', make: ddim },
  euler: { label: 'Euler', make: euler },
  'euler-ancestral': { label: 'Euler a', make: eulerAncestral },
  'dpmpp-2m': { label: 'DPM++ 2M', make: dpmpp2m },
  'dpmpp-2m-karras': { label: 'DPM++ 2M Karras', make: dpmpp2mKarras },
};

export const schedulerNames: readonly string[] = Object.keys(makers);

/** Name of a scheduler as the field writes it, e.g. `Euler a`. */
export const schedulerLabel = (name: string): string => known(name).label;

/** The scheduler's own name from either of its names, whatever the case. */
export function schedulerByLabel(label: string): string | undefined {
  const wanted = label.trim().toLowerCase();
  return schedulerNames.find((name) => name === wanted || makers[name]!.label.toLowerCase() === wanted);
}

/** Makes a scheduler for one picture or batch. @throws ParaError `settings` for an unknown name or bad steps */
export function makeScheduler(name: string, config: SchedulerConfig, options: SchedulerOptions): Scheduler {
  return known(name).make(config, options);
}

function known(name: string) {
  const found = Object.hasOwn(makers, name) ? makers[name] : undefined;
  if (!found)
    throw new ParaError('settings', `There is no scheduler "${name}"`, {
      where: 'scheduler',
      hint: `choose one of: ${schedulerNames.join(', ')}`,
    });
  return found;
}
