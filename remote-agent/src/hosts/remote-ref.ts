import { readFileSync, rmSync } from 'node:fs';
import { ParaError } from '../common/errors.ts';
import { writeFileAtomic } from '../common/files.ts';
import { jobFiles } from '../jobs/job.ts';

/** Which checkpoints come home: the state a run goes on from, that and the best adapter, or every one. */
export const bringChoices = ['last', 'best', 'all'] as const;
export type Bring = (typeof bringChoices)[number];

/** What `remote.json` of a run folder holds: the folder is the picture of a job on a host. */
export interface RemoteRef {
  /** Name of the host's profile. */
  readonly host: string;
  readonly id: string;
  readonly bring: Bring;
  /** Files that are here, with the number of the event that named them last: a later one means newer bytes. */
  readonly fetched: Readonly<Record<string, number>>;
}

/** Where the job of a run folder is; `undefined` where it is here. @throws ParaError `run` when it cannot be read */
export function readRemote(directory: string): RemoteRef | undefined {
  const path = jobFiles(directory).remote;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ParaError('run', 'It cannot be read where this run is', { where: path, cause });
  }
  try {
    return JSON.parse(text) as RemoteRef;
  } catch (cause) {
    throw new ParaError('run', 'The file that says where this run is is damaged', {
      where: path,
      hint: 'para show RUN --host NAME brings it home again',
      cause,
    });
  }
}

export const writeRemote = (directory: string, ref: RemoteRef): void =>
  writeFileAtomic(jobFiles(directory).remote, `${JSON.stringify(ref)}\n`);

/** Makes a run folder that of a job of this machine again. */
export const forgetRemote = (directory: string): void => rmSync(jobFiles(directory).remote, { force: true });
