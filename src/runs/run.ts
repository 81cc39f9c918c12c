import { basename, join } from 'node:path';
import { readRemote } from '../../remote-agent/src/hosts/remote-ref.ts';
import {
  isActive as isActiveJob,
  type JobState,
  readSpec,
  readStatus,
} from '../../remote-agent/src/jobs/job.ts';
import { thisMachine } from '../hosts/this-machine.ts';

/** A run as lists show it: what its folder says, wherever its job is. */
export interface Run {
  readonly id: string;
  readonly directory: string;
  readonly subject: string;
  readonly method: 'para' | 'lora';
  readonly base: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly state: JobState;
  readonly step: number;
  readonly steps: number;
  readonly loss?: number;
  readonly error?: string;
  /** Where its job is. */
  readonly host: string;
  /** Id of its job there. */
  readonly job: string;
}

/** Whether something more comes of a run by itself. */
export const isActive = ({ state }: Pick<Run, 'state'>): boolean => isActiveJob(state);

/** The folder of a run that a view names: one of the folder of runs, and nothing else. */
export const runFolder = (folder: string, id: string): string | undefined =>
  /^[\w.-]+$/.test(id) && !id.startsWith('.') ? join(folder, id) : undefined;

/** Reads a run from its folder; `undefined` where it is none, or damaged. */
export function readRun(directory: string): Run | undefined {
  try {
    const { subject, method, base, createdAt } = readSpec(directory);
    const remote = readRemote(directory);
    const id = basename(directory);
    return {
      id,
      directory,
      subject,
      method: method.name,
      base: base.name,
      createdAt,
      ...readStatus(directory),
      host: remote?.host ?? thisMachine,
      job: remote?.id ?? id,
    };
  } catch {
    return undefined;
  }
}
