import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EventLog, readEvents } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles, readStatus, writeStatus } from '../../src/jobs/job.ts';
import { takeLock } from '../../src/jobs/lock.ts';
import { thisProcess } from '../../src/jobs/process-life.ts';
import {
  cancel,
  claimNext,
  deleteJob,
  enqueue,
  jobFolder,
  leave,
  moveTo,
  slotLock,
  tidyQueue,
  waitingJobs,
} from '../../src/jobs/queue.ts';
import { readQueue } from '../../src/jobs/queue-file.ts';
import { superviseSlot } from '../../src/jobs/supervisor.ts';
import { bundleProgram } from './bundle.ts';
import { addJob, emptySpec, finish, recordingLauncher, useHome } from './host.ts';

const home = useHome();
const nobody = new Set<string>();
const state = (id: string) => readStatus(jobFolder(id)).state;

/** Leaves a lock as a process of an earlier boot, or one that was killed, would. */
const leaveLock = (path: string, boot = thisProcess().boot) =>
  writeFileSync(path, JSON.stringify({ pid: 2 ** 22 + 1, start: '1', boot, token: 'aaaaaaaaaaaaaaaa' }));

describe('the queue', () => {
  it('runs the jobs of one client in the order they came, one at a time, and is empty then', async () => {
    for (const id of ['c', 'a', 'b']) addJob(id);
    let running = 0;
    const launcher = recordingLauncher(async (directory) => {
      expect(++running).toBe(1);
      await new Promise((resume) => setTimeout(resume, 5));
      running--;
      return finish(directory);
    });
    await Promise.all([superviseSlot('cpu', launcher), superviseSlot('cpu', launcher)]);
    expect(launcher.started).toEqual(['c', 'a', 'b']);
    expect(readQueue()).toEqual([]);
    expect(existsSync(jobFiles(jobFolder('a')).claim)).toBe(false);
    expect(readdirSync(join(home.path, 'slots'))).toEqual([]);
  });

  it('gives clients turns: one who comes late with one job does not wait for all of another’s', () => {
    for (const id of ['a1', 'a2', 'a3']) addJob(id, 'anna');
    addJob('b1', 'bert');
    addJob('c1', 'carl');
    addJob('b2', 'bert');
    expect(waitingJobs()).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  });

  it('counts a running job as its client’s turn', () => {
    addJob('a1', 'anna');
    const job = claimNext('cpu', nobody)!;
    for (const id of ['a2', 'a3']) addJob(id, 'anna');
    addJob('b1', 'bert');
    addJob('b2', 'bert');
    expect(waitingJobs()).toEqual(['b1', 'a2', 'b2', 'a3']);
    job.release();
  });

  it('never lets one client’s steady stream of jobs keep another’s waiting', () => {
    for (let i = 0; i < 20; i++) addJob(`a${i}`, 'anna');
    const order: string[] = [];
    for (let i = 0; i < 10; i++) {
      addJob(`b${i}`, 'bert');
      const job = claimNext('cpu', nobody)!;
      order.push(job.id[0]!);
      finish(job.directory);
      leave(job);
    }
    expect(order.filter((client) => client === 'a').length).toBeGreaterThanOrEqual(5);
    expect(order.filter((client) => client === 'b').length).toBeGreaterThanOrEqual(4);
  });

  it('moves a waiting job to a place, the last where there are fewer', () => {
    for (const id of ['a', 'b', 'c', 'd']) addJob(id);
    moveTo('d', 1);
    expect(waitingJobs()).toEqual(['d', 'a', 'b', 'c']);
    moveTo('d', 3);
    expect(waitingJobs()).toEqual(['a', 'b', 'd', 'c']);
    moveTo('a', 99);
    expect(waitingJobs()).toEqual(['b', 'd', 'c', 'a']);
    moveTo('unknown', 1);
    expect(waitingJobs()).toEqual(['b', 'd', 'c', 'a']);
  });

  it('runs a job a GPU at the same time, each on its own, and processor jobs beside them', async () => {
    for (const id of ['g1', 'g2', 'g3']) addJob(id, 'a', 'cuda');
    addJob('p1');
    const launcher = recordingLauncher(async (directory, slot) => {
      // Held until both GPUs are busy.
      while (new Set(launcher.started.map((line) => line.split(' ')[0])).size < 2)
        await new Promise((resume) => setTimeout(resume, 2));
      expect(slot).toMatch(/^gpu[01]$/);
      return finish(directory);
    });
    await Promise.all([superviseSlot('gpu0', launcher), superviseSlot('gpu1', launcher)]);
    expect(launcher.started.map((line) => line.slice(5)).sort()).toEqual(['g1', 'g2', 'g3']);
    expect(waitingJobs()).toEqual(['p1']);
  });

  it('takes a job queued twice once, and one that is resumed while its supervisor leaves it again', async () => {
    const directory = addJob('a');
    enqueue(directory, 'a');
    expect(waitingJobs()).toEqual(['a']);
    let runs = 0;
    const launcher = recordingLauncher((folder) => {
      finish(folder);
      // Continued to more steps between the trainer's end and the supervisor's.
      if (++runs === 1) enqueue(folder, 'a');
      return 0;
    });
    await superviseSlot('cpu', launcher);
    expect(launcher.started).toEqual(['a', 'a']);
    expect(state('a')).toBe('finished');
    expect(readQueue()).toEqual([]);
  });

  it('does not look at jobs that are over, however damaged', async () => {
    for (let i = 0; i < 50; i++) {
      const directory = jobFolder(`old${i}`);
      mkdirSync(directory, { recursive: true });
      writeFileSync(jobFiles(directory).spec, '{');
      writeFileSync(jobFiles(directory).status, '{');
    }
    addJob('new');
    const launcher = recordingLauncher();
    await superviseSlot('cpu', launcher);
    expect(launcher.started).toEqual(['new']);
  });

  it('says where it lies when it is damaged, and loses no job over it', () => {
    addJob('a');
    writeFileSync(join(home.path, 'queue.json'), '{"jobs": [');
    expect(() => waitingJobs()).toThrow('The queue of this host is damaged');
    expect(state('a')).toBe('queued');
  });
});

it('of two processes that queue and take at once loses no job and runs none twice', async () => {
  const program = bundleProgram(new URL('./queuer.ts', import.meta.url), home.path);
  const run = (name: string) =>
    new Promise<string>((resolve, reject) =>
      execFile(process.execPath, [program, name, '15'], (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      ),
    );
  const lines = (await Promise.all(['a', 'b', 'c'].map(run))).join('').trim().split('\n');
  const wanted = ['a', 'b', 'c'].flatMap((name) => Array.from({ length: 15 }, (_, i) => `${name}${i}`));
  expect(lines.sort()).toEqual(wanted.sort());
  expect(readQueue()).toEqual([]);
});

describe('a cancelled job', () => {
  it('leaves the queue while it waits', async () => {
    const directory = addJob('a');
    addJob('b');
    cancel(directory);
    expect([state('a'), waitingJobs()]).toEqual(['stopped', ['b']]);
    enqueue(directory, 'a');
    expect([state('a'), waitingJobs()]).toEqual(['queued', ['b', 'a']]);
    expect(existsSync(jobFiles(directory).stop)).toBe(false);
  });

  it('is asked to stop while it runs, and stopped where its supervisor took it but has not started it', async () => {
    const directory = addJob('a');
    const job = claimNext('cpu', nobody)!;
    cancel(directory);
    expect(existsSync(jobFiles(directory).stop)).toBe(true);
    job.release();
    const launcher = recordingLauncher();
    await superviseSlot('cpu', launcher);
    expect(launcher.started).toEqual([]);
    expect(state('a')).toBe('stopped');
    expect(readEvents(jobFiles(directory).events).map((e) => e.type)).toEqual(['stopped']);
  });

  it('stays as it is when it is over', () => {
    const directory = addJob('a');
    finish(directory);
    cancel(directory);
    expect([state('a'), existsSync(jobFiles(directory).stop)]).toEqual(['finished', false]);
  });
});

describe('after a reboot', () => {
  it('a job that ran is interrupted and off the queue, what waited still waits, and a resumed one goes first', () => {
    const boot = join(home.path, 'boot');
    writeFileSync(boot, 'one');
    process.env.PARA_BOOT_ID_FILE = boot;
    for (const id of ['ran', 'taken', 'waits']) addJob(id);
    const ran = claimNext('cpu', nobody)!;
    writeStatus(ran.directory, { state: 'running', step: 4, steps: 10 });
    expect(claimNext('cpu', nobody)?.id).toBe('taken');
    writeFileSync(boot, 'two');
    expect(state('ran')).toBe('interrupted');
    expect(tidyQueue()).toMatchObject({ interrupted: ['ran'], orphaned: [] });
    expect(waitingJobs()).toEqual(['taken', 'waits']);
    expect(tidyQueue().interrupted).toEqual([]);
    enqueue(ran.directory, 'a');
    expect(waitingJobs()).toEqual(['ran', 'taken', 'waits']);
    expect(readStatus(ran.directory)).toMatchObject({ state: 'queued', step: 4 });
  });
});

describe('a supervisor that was killed', () => {
  it('is replaced by the next, who waits for the trainer that still runs and starts none beside it', async () => {
    const directory = addJob('a');
    claimNext('cpu', nobody)!.release();
    leaveLock(jobFiles(directory).claim);
    writeStatus(directory, { state: 'running', step: 1, steps: 10 });
    const trainer = takeLock(jobFiles(directory).lock);
    expect(state('a')).toBe('running');
    expect(tidyQueue().orphaned).toEqual(['cpu']);
    const launcher = recordingLauncher();
    const supervisor = superviseSlot('cpu', launcher);
    await new Promise((resume) => setTimeout(resume, 300));
    expect(launcher.started).toEqual([]);
    finish(directory);
    trainer();
    await supervisor;
    expect(launcher.started).toEqual([]);
    expect(readQueue()).toEqual([]);
  });

  it('before its job ended by itself leaves nothing behind once somebody looks', () => {
    const directory = addJob('a');
    claimNext('cpu', nobody)!.release();
    leaveLock(jobFiles(directory).claim);
    leaveLock(slotLock('cpu'));
    finish(directory);
    expect(tidyQueue()).toEqual({ interrupted: [], waiting: [], orphaned: [] });
    expect(readQueue()).toEqual([]);
    expect(existsSync(jobFiles(directory).claim)).toBe(false);
    expect(readdirSync(join(home.path, 'slots'))).toEqual([]);
  });

  it('with its trainer leaves a job that the next goes on with, before those that wait', async () => {
    const directory = addJob('a');
    addJob('b');
    claimNext('cpu', nobody)!.release();
    writeStatus(directory, { state: 'running', step: 1, steps: 10 });
    leaveLock(jobFiles(directory).claim);
    const launcher = recordingLauncher();
    await superviseSlot('cpu', launcher);
    expect(launcher.started).toEqual(['a', 'b']);
  });
});

describe('a trainer that dies', () => {
  it('is started again while it gets further, and given up after three starts that do not', async () => {
    addJob('a');
    addJob('b');
    let starts = 0;
    const launcher = recordingLauncher((directory) => {
      if (directory.endsWith('b')) return finish(directory);
      starts++;
      const log = new EventLog(jobFiles(directory).events);
      const step = Math.min(starts, 4);
      log.append({
        type: 'step',
        step,
        loss: 1,
        smoothedLoss: 1,
        learningRate: 1,
        gradientNorm: 1,
        seconds: 1,
        memoryBytes: 1,
      });
      log.close();
      writeStatus(directory, { state: 'running', step, steps: 10 });
      return null;
    });
    await superviseSlot('cpu', launcher);
    expect(launcher.started).toEqual([...Array(7).fill('a'), 'b']);
    expect(readStatus(jobFolder('a'))).toMatchObject({
      state: 'failed',
      step: 4,
      error: 'The trainer ended unexpectedly 3 times (killed)',
    });
    expect(readEvents(jobFiles(jobFolder('a')).events).at(-1)).toMatchObject({ type: 'error', seq: 8 });
  });
});

describe('a job whose folder cannot be worked on', () => {
  it('keeps no other waiting', async () => {
    addJob('a');
    addJob('b');
    const launcher = recordingLauncher((directory) => {
      if (directory.endsWith('b')) return finish(directory);
      writeFileSync(jobFiles(directory).status, 'x');
      return 1;
    });
    await superviseSlot('cpu', launcher);
    expect(launcher.started).toEqual(['a', 'b']);
  });
});

describe('deleting a job', () => {
  const sizeOf = (folder: string) => readdirSync(folder).length;

  it('frees what it says, takes it out of the queue, and ends what was cut off before', async () => {
    const directory = addJob('a');
    writeFileSync(join(directory, 'x'), 'abc');
    mkdirSync(join(home.path, 'trash/half'), { recursive: true });
    // spec, status and x.
    expect(await deleteJob('a', sizeOf)).toBe(3);
    expect(existsSync(directory)).toBe(false);
    expect(readdirSync(join(home.path, 'trash'))).toEqual([]);
    expect(waitingJobs()).toEqual([]);
    expect(await deleteJob('a', sizeOf)).toBe(0);
  });

  it('is refused while it runs, with or without its supervisor', async () => {
    const directory = addJob('a');
    const job = claimNext('cpu', nobody)!;
    await expect(deleteJob('a', sizeOf)).rejects.toMatchObject({ code: 'locked' });
    job.release();
    const trainer = takeLock(jobFiles(directory).lock);
    await expect(deleteJob('a', sizeOf)).rejects.toMatchObject({ code: 'locked' });
    trainer();
    expect(existsSync(jobFiles(directory).claim)).toBe(false);
    await deleteJob('a', sizeOf);
  });
});

it('an event that cannot be written leaves no trace and no gap', () => {
  const directory = jobFolder('a');
  createJob(directory, emptySpec());
  const { events } = jobFiles(directory);
  const log = new EventLog(events);
  log.append({ type: 'note', message: 'one' });
  expect(() => log.append({ type: 'note', message: 1n } as never)).toThrow();
  log.append({ type: 'note', message: 'two' });
  log.close();
  expect(
    readFileSync(events, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).seq),
  ).toEqual([1, 2]);
});
