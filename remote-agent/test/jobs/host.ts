// A host's folder for tests: a small base, jobs with a spec that a trainer could run, and a launcher that runs nothing.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { createJob, jobFiles, readStatus, writeStatus } from '../../src/jobs/job.ts';
import { directLauncher, type Launcher } from '../../src/jobs/launcher.ts';
import { enqueue, jobFolder } from '../../src/jobs/queue.ts';
import type { TrainSpec } from '../../src/subject/train-spec.ts';
import { goldenPath } from '../training/golden.ts';

/** Sets PARA_HOME to a new folder for each test. */
export function useHome(): { readonly path: string } {
  const home = { path: '' };
  beforeEach(() => {
    home.path = mkdtempSync(join(tmpdir(), 'para-host-'));
    process.env.PARA_HOME = home.path;
  });
  afterEach(() => {
    rmSync(home.path, { recursive: true, force: true });
    delete process.env.PARA_HOME;
    delete process.env.PARA_BOOT_ID_FILE;
  });
  return home;
}

/** Registers the tiny base on the host under the name `tiny`. */
export function addTinyBase(home: string): void {
  mkdirSync(join(home, 'bases'), { recursive: true });
  cpSync(goldenPath('bases/tiny-optimum'), join(home, 'bases/tiny'), { recursive: true });
}

/** A spec as `para train` makes it, of the tiny base and no pictures. */
export const emptySpec = (createdAt = '2026-01-02T03:04:05.000Z', device: TrainSpec['device'] = 'cpu') =>
  ({
    version: 1,
    subject: 'robot',
    trigger: 'zwx',
    class: 'robot',
    base: { name: 'tiny', hash: '0'.repeat(64) },
    pictures: [],
    validationPictures: [],
    method: { name: 'para' },
    training: { steps: 10 },
    device,
    createdAt,
  }) as unknown as TrainSpec;

/** Makes a job and puts it into the queue. */
export function addJob(id: string, client = 'a', device: TrainSpec['device'] = 'cpu'): string {
  const directory = jobFolder(id);
  createJob(directory, emptySpec(undefined, device));
  enqueue(directory, client);
  return directory;
}

/** Notes which jobs are started where and ends each as told; by default it finishes. */
export function recordingLauncher(
  run: (directory: string, slot: string) => number | null | Promise<number | null> = finish,
): Launcher & { readonly started: string[] } {
  const started: string[] = [];
  return {
    ...directLauncher(),
    started,
    run: async (directory, slot) => {
      started.push(slot === 'cpu' ? basename(directory) : `${slot} ${basename(directory)}`);
      return run(directory, slot);
    },
  };
}

export function finish(directory: string): number {
  if (existsSync(jobFiles(directory).status))
    writeStatus(directory, { ...readStatus(directory), state: 'finished', step: 10 });
  return 0;
}
