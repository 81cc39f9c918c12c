import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { specFor } from '../../src/cli/train.ts';
import { readEvents } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles, readStatus } from '../../src/jobs/job.ts';
import { cancel, deleteJob, tidyQueue, waitingJobs } from '../../src/jobs/queue.ts';
import { homeReserve } from '../../src/jobs/reserve.ts';
import { startTrainer } from '../../src/jobs/start.ts';
import { checkout } from '../hosts/agent-host.ts';
import { excused } from '../hosts/sshd.ts';
import { RawAgent } from '../server/raw-agent.ts';
import { goldenPath } from '../training/golden.ts';
import { addJob } from './host.ts';

const work = mkdtempSync(join(tmpdir(), 'para-disk-'));
const disk = join(work, 'disk');
mkdirSync(disk);
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]).status === 0;
const noDisk = mounted ? undefined : 'no file system can be mounted here, so none can be filled';

afterAll(() => {
  if (mounted) spawnSync('umount', [disk]);
  rmSync(work, { recursive: true, force: true });
  delete process.env.PARA_HOME;
});

/** Leaves no byte free. @returns a function that gives them back */
function fill(): () => void {
  const path = join(disk, `filler-${Math.random()}`);
  spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=4k', 'count=4096']);
  return () => rmSync(path);
}

describe.skipIf(excused(noDisk))('on a full disk', () => {
  beforeAll(() => {
    process.env.PARA_HOME = join(disk, 'home');
    mkdirSync(process.env.PARA_HOME);
  });

  it('a client still gets in, cancels and deletes, since room was kept for that', async () => {
    const [first] = ['a', 'b', 'c'].map((id) => addJob(id));
    tidyQueue();
    const free = fill();
    expect(() => writeFileSync(join(disk, 'one'), 'x'.repeat(5000))).toThrow('ENOSPC');
    rmSync(join(disk, 'one'), { force: true });
    cancel(first!);
    expect([readStatus(first!).state, waitingJobs()]).toEqual(['stopped', ['b', 'c']]);
    expect(existsSync(homeReserve())).toBe(false);
    expect(await deleteJob('b', () => 1)).toBe(1);
    expect(waitingJobs()).toEqual(['c']);
    free();
    tidyQueue();
    expect(existsSync(homeReserve())).toBe(true);
    await deleteJob('c', () => 1);
    const again = fill();
    const agent = new RawAgent(process.env.PARA_HOME!);
    expect((await agent.greet()).error).toBeUndefined();
    expect((await agent.ask('jobs/delete', { id: 'a' })).error).toBeUndefined();
    agent.kill();
    again();
  });

  it('a trainer says so, keeps what it has, and ends with the same bytes once there is room', async () => {
    const subject = join(work, 'subject.para.json');
    writeFileSync(
      subject,
      JSON.stringify({
        base: goldenPath('bases/tiny-optimum'),
        pictures: [join(checkout, 'examples/robot/robot-1.png')],
        class: 'robot',
        method: { layers: 'up_blocks.**.attn2.to_q' },
        training: { steps: 60 },
        samples: { every: 0 },
        validation: { every: 0 },
        checkpoints: { every: 10 },
      }),
    );
    const spec = specFor(subject, {}, '2026-01-02T03:04:05.000Z');
    const bundle = join(checkout, 'remote-agent/dist/trainer.js');
    const undisturbed = join(work, 'undisturbed');
    createJob(undisturbed, spec);
    expect((await startTrainer(undisturbed, () => {}, bundle).done).outcome).toBe('finished');
    const directory = join(disk, 'run');
    createJob(directory, spec);
    const { status, events, adapter, reserve } = jobFiles(directory);
    let free = () => {};
    const exit = await startTrainer(
      directory,
      (event) => {
        if (event.type === 'step' && event.step === 15) free = fill();
      },
      bundle,
    ).done;
    expect(exit).toMatchObject({ outcome: 'failed', error: { code: 'disk', message: 'The disk is full' } });
    expect(readStatus(directory)).toMatchObject({ state: 'failed', error: 'The disk is full' });
    expect(readEvents(events).at(-1)).toMatchObject({ type: 'error', code: 'disk' });
    expect([existsSync(reserve), existsSync(status)]).toEqual([false, true]);
    free();
    expect((await startTrainer(directory, () => {}, bundle).done).outcome).toBe('finished');
    const seqs = readEvents(events).map((e) => e.seq);
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
    expect(readEvents(events).some((e) => e.type === 'resumed')).toBe(true);
    const sha = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
    expect(sha(adapter)).toBe(sha(jobFiles(undisturbed).adapter));
    expect(existsSync(reserve)).toBe(false);
  });
});
