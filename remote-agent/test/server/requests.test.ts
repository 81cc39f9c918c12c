import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createJob, jobFiles, readStatus, writeStatus } from '../../src/jobs/job.ts';
import { takeLock } from '../../src/jobs/lock.ts';
import { claimNext, jobFolder, slotLock } from '../../src/jobs/queue.ts';
import { addJob, emptySpec, useHome } from '../jobs/host.ts';
import { RawAgent } from './raw-agent.ts';

const home = useHome();
const agents: RawAgent[] = [];
const start = async (client?: string): Promise<RawAgent> => {
  const agent = new RawAgent(home.path);
  agents.push(agent);
  await agent.greet(client);
  return agent;
};
afterEach(() => {
  for (const agent of agents.splice(0)) agent.kill();
});

/** Keeps supervisors away, as one at work does. */
const holdSlot = () => takeLock(slotLock('cpu'));

describe('a request', () => {
  it('moves, cancels and resumes waiting jobs, and each answer tells the place in the queue', async () => {
    const unlock = holdSlot();
    for (const id of ['a', 'b', 'c']) addJob(id);
    const agent = await start('a');
    expect((await agent.ask('jobs/move', { id: 'c', place: 1 })).result).toMatchObject({
      state: 'queued',
      queuePlace: 1,
    });
    expect((await agent.ask('jobs/status', { id: 'a' })).result).toMatchObject({ queuePlace: 2 });
    expect((await agent.ask('jobs/cancel', { id: 'a' })).result).toMatchObject({ state: 'stopped' });
    expect((await agent.ask('jobs/resume', { id: 'a' })).result).toMatchObject({
      state: 'queued',
      queuePlace: 3,
    });
    unlock();
  });

  it('queues jobs of several clients in turns, by the name they greet with', async () => {
    const unlock = holdSlot();
    for (const id of ['a1', 'a2', 'b1']) {
      createJob(jobFolder(id), emptySpec());
      writeStatus(jobFolder(id), { state: 'stopped', step: 0, steps: 10 });
    }
    const [anna, bert] = [await start('anna'), await start('bert')];
    await anna.ask('jobs/resume', { id: 'a1' });
    await anna.ask('jobs/resume', { id: 'a2' });
    expect((await bert.ask('jobs/resume', { id: 'b1' })).result).toMatchObject({ queuePlace: 2 });
    unlock();
  });

  it('continues a job to more steps once it has ended, not while it runs', async () => {
    const unlock = holdSlot();
    const directory = jobFolder('a');
    createJob(directory, { ...emptySpec(), training: { steps: 10, schedule: 'constant' } } as never);
    writeStatus(directory, { state: 'running', step: 5, steps: 10 });
    const trainer = takeLock(jobFiles(directory).lock);
    const agent = await start();
    expect((await agent.ask('jobs/resume', { id: 'a', steps: 20 })).error?.data?.code).toBe('locked');
    expect((await agent.ask('jobs/resume', { id: 'a' })).result).toMatchObject({
      state: 'running',
      steps: 10,
    });
    trainer();
    writeStatus(directory, { state: 'finished', step: 10, steps: 10 });
    expect((await agent.ask('jobs/resume', { id: 'a' })).result).toMatchObject({ state: 'finished' });
    expect((await agent.ask('jobs/resume', { id: 'a', steps: 20 })).result).toMatchObject({
      state: 'queued',
      steps: 20,
    });
    expect((await agent.ask('jobs/resume', { id: 'a', steps: 3 })).error?.data?.code).toBe('settings');
    expect(readStatus(directory)).toMatchObject({ state: 'queued', step: 10 });
    unlock();
  });

  it('after a reboot finds what ran interrupted, and the first agent that is greeted says what it did', async () => {
    const boot = join(home.path, 'boot');
    writeFileSync(boot, 'one');
    process.env.PARA_BOOT_ID_FILE = boot;
    addJob('ran');
    addJob('waits');
    claimNext('cpu', new Set());
    writeStatus(jobFolder('ran'), { state: 'running', step: 5, steps: 10 });
    writeFileSync(boot, 'two');
    // The slot is taken in this boot: the waiting job's base does not exist, it is not to run here.
    const unlock = holdSlot();
    const agent = new RawAgent(home.path);
    agents.push(agent);
    const { notes } = (await agent.greet()).result as { notes: string[] };
    expect(notes[0]).toBe(
      'the host was restarted while job "ran" ran: it is interrupted, resume it to go on',
    );
    expect((await agent.ask('jobs/status', { id: 'ran' })).result).toMatchObject({
      state: 'interrupted',
      step: 5,
    });
    expect((await agent.ask('jobs/status', { id: 'waits' })).result).toMatchObject({
      state: 'queued',
      queuePlace: 1,
    });
    expect((await agent.ask('jobs/resume', { id: 'ran' })).result).toMatchObject({
      state: 'queued',
      queuePlace: 1,
    });
    unlock();
    const second = new RawAgent(home.path);
    agents.push(second);
    expect(((await second.greet()).result as { notes: string[] }).notes).toEqual([
      '2 jobs were waiting and nothing ran them: the queue runs again',
    ]);
  });
});
