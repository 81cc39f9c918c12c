import { existsSync, lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import { baseFolders, paraHome } from '../../diffusion/base-places.ts';
import { isActive, listRuns } from '../../jobs/job.ts';

/** Whether a base came with the agent: it lies outside the user's own folder. */
export const isShipped = (directory: string): boolean => dirname(directory) !== join(paraHome(), 'bases');

/** The folder of a registered base. @throws ParaError `base` naming those there are */
export function registeredBase(name: string): string {
  const all = baseFolders();
  const found = all.find((base) => base.name === name);
  if (found) return found.directory;
  throw new ParaError('base', `The host has no base "${name}"`, {
    where: `it has ${all.map((base) => base.name).join(', ') || 'none'}`,
    hint: 'take it there: para base import --host NAME',
  });
}

/**
 * Deletes a base of the user's own folder.
 * @returns bytes that the disk has again; files that are linked elsewhere too are not counted
 * @throws ParaError `locked` while a job that waits or runs needs it, `base` for one that came with the agent
 */
export function deleteBase(name: string): number {
  const directory = join(paraHome(), 'bases', name);
  if (!existsSync(directory)) {
    if (!baseFolders().some((base) => base.name === name)) return 0;
    throw new ParaError('base', `The base "${name}" came with the agent and cannot be deleted`, {
      hint: 'it takes little room; it goes when the agent is uninstalled',
    });
  }
  const user = listRuns().find(({ spec, status }) => spec.base.name === name && isActive(status.state));
  if (user)
    throw new ParaError('locked', `The base "${name}" is needed by the job "${user.id}"`, {
      where: `the job is ${user.status.state}`,
      hint: 'cancel the job, or wait until it has ended',
    });
  // In one step for all who look: a name that is listed is a whole base.
  const leaving = join(paraHome(), 'bases', `.${name}.${process.pid}.deleted`);
  renameSync(directory, leaving);
  let freed = 0;
  for (const entry of readdirSync(leaving, { recursive: true, encoding: 'utf8' })) {
    const stat = lstatSync(join(leaving, entry));
    if (stat.isFile() && stat.nlink === 1) freed += stat.size;
  }
  rmSync(leaving, { recursive: true, force: true });
  return freed;
}
