import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { generateOnHost } from '../../src/hosts/remote-generation.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { checkout, localHost, Para } from './agent-host.ts';
import { killHard } from './processes.ts';

/** Bytes; enough for a trainer of this batch, or for a picture of 512 x 512, not for both. */
const limit = 1100 << 20;

/** A group of processes that may take so much memory together, as a container sets it; `undefined` where none can be made. */
function memoryGroup(): string | undefined {
  for (const [parent, file] of [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max'],
  ] as const) {
    const folder = join(parent, `para-test-${process.pid}`);
    try {
      if (!existsSync(join(parent, 'cgroup.procs'))) continue;
      mkdirSync(folder);
      writeFileSync(join(folder, file), String(limit));
      return folder;
    } catch {
      // Not root, or a container that may make none.
      if (existsSync(folder)) rmdirSync(folder);
    }
  }
  return undefined;
}

const group = memoryGroup();
if (!group) console.error('!!! Not run: no group with a memory limit can be made here');

describe.skipIf(!group)('on a host whose memory training fills', () => {
  const work = mkdtempSync(join(tmpdir(), 'para-memory-'));
  const members = () => readFileSync(join(group!, 'cgroup.procs'), 'utf8').trim().split('\n').map(Number);
  afterAll(async () => {
    for (const pid of members()) if (pid > 0) killHard(pid);
    while (members()[0]! > 0) await new Promise((resume) => setTimeout(resume, 20));
    rmdirSync(group!);
    rmSync(work, { recursive: true, force: true });
  });

  it('a picture waits until the training has ended, says why, and is drawn then', async () => {
    const home = join(work, 'home');
    const root = join(work, 'host');
    const host = localHost('small', root, home);
    const launcher = join(root, 'agent/current/para-agent');
    writeFileSync(launcher, `echo $$ > '${group}/cgroup.procs'\n${readFileSync(launcher, 'utf8')}`);
    const subject = join(work, 'robot.para.json');
    writeFileSync(
      subject,
      JSON.stringify({
        pictures: [join(checkout, 'examples/robot/robot-1.png')],
        class: 'robot',
        training: { steps: 100_000, batch: 16, resolution: 128, seed: 3 },
        samples: { every: 0 },
        validation: { every: 0 },
      }),
    );
    const training = new Para(home, ['train', subject, '--host', 'small', '--json']);
    await training.untilStep(2);
    const session = await HostSession.open(host);
    const told: string[] = [];
    let waits: () => void = () => {};
    const waiting = new Promise<void>((resolve) => {
      waits = resolve;
    });
    let ended = false;
    const drawing = generateOnHost(
      session,
      {
        ...{ base: 'pocket-sdxl', prompt: 'a robot', negative: '', seed: 5, steps: 1, guidance: 5 },
        ...{ scheduler: 'ddim', count: 1, adapters: [], device: 'cpu', width: 512, height: 512 },
      },
      (progress) => {
        told.push(progress.at === 'waiting' ? progress.reason : progress.at);
        if (progress.at === 'waiting') waits();
        else if (progress.at === 'step') expect(ended).toBe(true);
      },
    );
    await Promise.race([waiting, drawing]);
    training.child.kill('SIGINT');
    await training.done;
    ended = true;
    const runs = (await session.call('jobs/list', {})).jobs;
    await session.call('jobs/cancel', { id: runs[0]!.id });
    const pictures = await drawing;
    expect(pictures).toHaveLength(1);
    expect(told[0]).toMatch(/needs about .* are free: it waits until training has ended/);
    session.close();
  });
});
