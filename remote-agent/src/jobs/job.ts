import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { ParaError } from '../common/errors.ts';
import { makeFolder, writeFileAtomic } from '../common/files.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { isTended } from './liveness.ts';

/** State of a job; `interrupted` is told from a dead trainer, it is never written. */
export type JobState = 'queued' | 'running' | 'stopped' | 'finished' | 'failed' | 'interrupted';

/** Whether nothing more comes of a job by itself. */
export const isOver = (state: JobState): boolean =>
  state === 'finished' || state === 'failed' || state === 'stopped';

/** Whether something more comes of a job by itself. */
export const isActive = (state: JobState): boolean => state === 'queued' || state === 'running';

/** What `status.json` holds. */
export interface JobStatus {
  readonly state: JobState;
  readonly step: number;
  readonly steps: number;
  readonly loss?: number;
  readonly error?: string;
}

/** Paths inside a job directory. */
export const jobFiles = (directory: string) => ({
  spec: join(directory, 'spec.json'),
  status: join(directory, 'status.json'),
  events: join(directory, 'events.jsonl'),
  log: join(directory, 'log.txt'),
  lock: join(directory, 'trainer.lock'),
  samples: join(directory, 'samples'),
  checkpoints: join(directory, 'checkpoints'),
  state: join(directory, 'checkpoints', 'state.safetensors'),
  adapter: join(directory, 'adapter.safetensors'),
  cache: join(directory, 'cache'),
  /** Held by the supervisor that looks after the job, on hosts with a queue. */
  claim: join(directory, 'supervisor.lock'),
  /** There when somebody asked the trainer to stop: a file outlives what a signal to a process does not. */
  stop: join(directory, 'stop'),
  /** Room on the disk that is given up when it is full, so that the failure can still be told. */
  reserve: join(directory, 'reserve'),
  /** There where the job itself is on a host and this folder is its picture: which host, which job. */
  remote: join(directory, 'remote.json'),
  /** Held by the client that brings home what the host's job does. */
  mirror: join(directory, 'mirror.lock'),
});

/** Folder of all runs of this user: `$PARA_HOME/runs`. */
export function runsFolder(): string {
  return join(process.env.PARA_HOME || join(homedir(), '.local', 'share', 'para-studio'), 'runs');
}

/** What a run is called: when it was made, its subject and method. */
export function runName(spec: TrainSpec): string {
  const stamp = spec.createdAt.slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  return `${stamp}-${spec.subject.replace(/[^\w.-]+/g, '_')}-${spec.method.name}`;
}

/** Makes a job directory with its spec. @throws ParaError `exists` where one lies already, `disk` */
export function createJob(directory: string, spec: TrainSpec): void {
  if (existsSync(directory) && readdirSync(directory).length > 0)
    throw new ParaError('exists', 'The folder for this run exists and is not empty', {
      where: directory,
      hint: 'choose another with --out, or continue it with --resume',
    });
  makeFolder(directory, dirname(directory) === runsFolder() ? 0o700 : undefined);
  try {
    writeFileAtomic(jobFiles(directory).spec, `${JSON.stringify(spec, null, 2)}\n`);
    writeStatus(directory, { state: 'queued', step: 0, steps: spec.training.steps });
  } catch (cause) {
    // Half a job would be in the way of the next try.
    rmSync(jobFiles(directory).spec, { force: true });
    throw cause;
  }
}

/** Reads the spec of a job. @throws ParaError `run` when the folder is no run */
export function readSpec(directory: string): TrainSpec {
  const path = jobFiles(directory).spec;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as TrainSpec;
  } catch (cause) {
    throw new ParaError('run', 'This folder is not a run (its spec.json is missing or damaged)', {
      where: resolve(directory),
      hint: 'give the folder that "para train" wrote, see "para runs"',
      cause,
    });
  }
}

export function writeStatus(directory: string, status: JobStatus): void {
  writeFileAtomic(jobFiles(directory).status, `${JSON.stringify(status)}\n`);
}

/** Gives a run another state; what it has done stays. */
export function changeState(
  directory: string,
  state: JobState,
  more: { readonly steps?: number; readonly error?: string } = {},
): void {
  const { step, steps, loss } = readStatus(directory);
  writeStatus(directory, { state, step, steps, ...(loss === undefined ? {} : { loss }), ...more });
}

/** Current status; a run whose trainer is gone without saying so is `interrupted`. */
export function readStatus(directory: string): JobStatus {
  const files = jobFiles(directory);
  let status: JobStatus;
  try {
    status = JSON.parse(readFileSync(files.status, 'utf8')) as JobStatus;
  } catch (cause) {
    throw new ParaError('run', 'This folder is not a run (its status.json is missing or damaged)', {
      where: directory,
      cause,
    });
  }
  if (status.state !== 'running') return status;
  return existsSync(files.remote) || isTended(files) ? status : { ...status, state: 'interrupted' };
}

/** A run as lists show it. */
export interface RunSummary {
  readonly id: string;
  readonly directory: string;
  readonly spec: TrainSpec;
  readonly status: JobStatus;
}

/** All runs of a folder, newest first; folders that are no runs, none yet, or damaged are passed over. */
export function listRuns(folder = runsFolder()): RunSummary[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .map((name) => join(folder, name))
    .filter((directory) => existsSync(jobFiles(directory).spec))
    .flatMap((directory): RunSummary[] => {
      try {
        const [spec, status] = [readSpec(directory), readStatus(directory)];
        return [{ id: basename(directory), directory, spec, status }];
      } catch (cause) {
        // One damaged folder hides no other.
        if (cause instanceof ParaError) return [];
        throw cause;
      }
    })
    .sort((a, b) => b.spec.createdAt.localeCompare(a.spec.createdAt));
}

/** The folder of a run given by path or by its id in the runs folder. @throws ParaError `run` */
export function findRun(nameOrPath: string): string {
  for (const directory of [resolve(nameOrPath), join(runsFolder(), nameOrPath)])
    if (existsSync(jobFiles(directory).spec)) return directory;
  throw new ParaError('run', `There is no run "${nameOrPath}"`, {
    where: runsFolder(),
    hint: 'see "para runs"',
  });
}
