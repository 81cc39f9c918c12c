import { lockHolder } from './lock.ts';

/**
 * Whether a trainer works on the job of these files. All who ask, ask here or a `Launcher`, which asks here: where
 * jobs run on other machines than the agent, as a cluster's scheduler places them, this is asked of the scheduler.
 */
export const isTrained = ({ lock }: { readonly lock: string }): boolean => lockHolder(lock) !== undefined;

/** Whether the trainer of a job lives, or the supervisor that would start it again. */
export const isTended = (files: { readonly lock: string; readonly claim: string }): boolean =>
  isTrained(files) || lockHolder(files.claim) !== undefined;
