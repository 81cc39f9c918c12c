import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { continueTo } from '../../src/jobs/continue.ts';
import {
  createJob,
  findRun,
  jobFiles,
  listRuns,
  readSpec,
  readStatus,
  writeStatus,
} from '../../src/jobs/job.ts';
import type { TrainSpec } from '../../src/subject/train-spec.ts';
import { paintAll, tinySpec } from '../training/runs.ts';

const work = mkdtempSync(join(tmpdir(), 'para-job-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const subject = join(work, 'subject');
const runs = join(work, 'home/runs');
beforeAll(() => paintAll(subject, [[16, 16]]));
beforeEach(() => vi.stubEnv('PARA_HOME', join(work, 'home')));

let count = 0;
/** A run that has made 6 of its 10 steps. */
function run(training: Record<string, unknown> = {}): { directory: string; spec: TrainSpec } {
  const directory = join(runs, `run-${count++}`);
  const spec = tinySpec(subject, { training: { steps: 10, ...training } });
  createJob(directory, spec);
  writeStatus(directory, { state: 'stopped', step: 6, steps: 10 });
  return { directory, spec };
}

describe('continuing a run to another number of steps', () => {
  it('goes on with a constant learning rate', () => {
    const { directory, spec } = run();
    continueTo(directory, 20, false);
    expect(readSpec(directory)).toEqual({ ...spec, training: { ...spec.training, steps: 20 } });
  });

  it.each(['cosine', 'linear'])('says what it means for a %s schedule and asks', (schedule) => {
    const { directory } = run({ schedule });
    expect(() => continueTo(directory, 20, false)).toThrow(
      expect.objectContaining({
        code: 'settings',
        message: expect.stringMatching(/falls to zero at step 10; continuing to 20 stretches/),
        hint: expect.stringContaining('--continue-schedule'),
      }),
    );
    expect(readSpec(directory).training.steps).toBe(10);
    continueTo(directory, 20, true);
    expect(readSpec(directory).training.steps).toBe(20);
  });

  it('is refused below the steps already made', () => {
    const { directory } = run();
    expect(() => continueTo(directory, 5, false)).toThrow(expect.objectContaining({ code: 'settings' }));
  });
});

describe('runs', () => {
  it('are found by folder and by name, and refused by name where there is none', () => {
    const { directory } = run();
    expect(findRun(directory)).toBe(directory);
    expect(findRun(`run-${count - 1}`)).toBe(directory);
    expect(() => findRun('run-77')).toThrow(expect.objectContaining({ code: 'run', where: runs }));
  });

  it('are listed newest first; what is no whole run is passed over', () => {
    rmSync(runs, { recursive: true, force: true });
    const dates = ['2026-01-01', '2026-03-01', '2026-02-01'].map((day) => `${day}T00:00:00.000Z`);
    for (const createdAt of dates) {
      const { directory, spec } = run();
      writeFileSync(jobFiles(directory).spec, JSON.stringify({ ...spec, createdAt }));
    }
    mkdirSync(join(runs, 'empty'));
    mkdirSync(join(runs, 'half'));
    writeFileSync(jobFiles(join(runs, 'half')).spec, '{"version":1,');
    writeFileSync(join(runs, 'note.txt'), 'mine');
    expect(listRuns().map((r) => r.spec.createdAt)).toEqual([...dates].sort().reverse());
  });

  it('with a damaged file are refused by folder', () => {
    const { directory } = run();
    writeFileSync(jobFiles(directory).spec, readFileSync(jobFiles(directory).spec).subarray(0, 50));
    expect(() => readSpec(directory)).toThrow(expect.objectContaining({ code: 'run', where: directory }));
    rmSync(jobFiles(directory).status);
    expect(() => readStatus(directory)).toThrow(expect.objectContaining({ code: 'run', where: directory }));
  });

  it('are not made where something is already', () => {
    const { directory, spec } = run();
    expect(() => createJob(directory, spec)).toThrow(expect.objectContaining({ code: 'exists' }));
  });
});
