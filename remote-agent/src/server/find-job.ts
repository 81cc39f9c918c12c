import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { jobFiles, runsFolder } from '../jobs/job.ts';
import { isJobId } from '../protocol/names.ts';

/** Folder of a job by its id alone: no path of a client's making is ever opened. @throws ParaError `run` */
export function findJob(id: string): string {
  const directory = join(runsFolder(), id);
  if (isJobId(id) && existsSync(jobFiles(directory).spec)) return directory;
  throw new ParaError('run', `The host has no job "${id}"`, { hint: 'see para runs --host NAME' });
}

/** Path of a file of a job; `undefined` where it has none of this name, or only by a link that leads elsewhere. */
export function fileOfJob(directory: string, file: string): string | undefined {
  const path = join(directory, file);
  try {
    const isInside = realpathSync(path).startsWith(realpathSync(directory) + sep);
    return isInside && lstatSync(path).isFile() ? path : undefined;
  } catch {
    return undefined; // it is not there, or went just now
  }
}
