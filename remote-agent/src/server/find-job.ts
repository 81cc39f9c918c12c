import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { jobFiles, runsFolder } from '../jobs/job.ts';
import { isJobId } from '../protocol/names.ts';

/** Folder of a job by its id alone: no path of a client's making is ever opened. @throws ParaError `run` */
export function findJob(id: string): string {
  const directory = join(runsFolder(), id);
  if (isJobId(id) && existsSync(jobFiles(directory).spec)) return directory;
  throw new ParaError('run', `The host has no job "${id}"`, { hint: 'see para runs --host NAME' });
}
