/** Schedulers by the name that commands and files use, with the name that `parameters` texts use. */
export const schedulerLabels = {
  ddim: 'DDIM',
  euler: 'Euler',
  'euler-ancestral': 'Euler a',
  'dpmpp-2m': 'DPM++ 2M',
  'dpmpp-2m-karras': 'DPM++ 2M Karras',
} as const;

export type SchedulerName = keyof typeof schedulerLabels;

const names = Object.keys(schedulerLabels) as SchedulerName[];
export const schedulerNames: readonly string[] = names;

/** The scheduler's own name from either of its names, whatever the case. */
export function schedulerByLabel(label: string): SchedulerName | undefined {
  const wanted = label.trim().toLowerCase();
  return names.find((name) => name === wanted || schedulerLabels[name].toLowerCase() === wanted);
}
