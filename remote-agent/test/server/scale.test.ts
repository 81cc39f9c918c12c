import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HostSession } from '../../src/hosts/session.ts';
import { jobFiles } from '../../src/jobs/job.ts';
import { sshHost } from '../hosts/agent-host.ts';
import { SlowLink } from '../hosts/slow-link.ts';
import { excused, noSshd, Sshd } from '../hosts/sshd.ts';
import { emptySpec, useHome } from '../jobs/host.ts';
import { RawAgent } from './raw-agent.ts';

/** Jobs that are over, as a host has them after a long time. */
function makeHistory(home: string, count: number): void {
  for (let i = 0; i < count; i++) {
    const files = jobFiles(join(home, 'runs', `job-${i}`));
    mkdirSync(join(home, 'runs', `job-${i}`), { recursive: true });
    const createdAt = new Date(1.7e12 + i * 1000).toISOString();
    // The captions of a hundred pictures.
    const pictures = Array.from({ length: 100 }, () => ({
      sha256: '0'.repeat(64),
      caption: 'a zwx robot in a garden',
    }));
    writeFileSync(files.spec, JSON.stringify({ ...emptySpec(createdAt), pictures }));
    writeFileSync(files.status, JSON.stringify({ state: 'finished', step: 10, steps: 10 }));
  }
}

const took = async (work: () => Promise<unknown>): Promise<number> => {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
};

describe('a host with a long history', () => {
  const home = useHome();

  it('looks after its queue as fast with 2000 jobs that are over as with none, and lists them in parts', async () => {
    const time = async (): Promise<number> => {
      const agent = new RawAgent(home.path);
      // Started first: the start itself is no part of it.
      await agent.ask('ping');
      const ms = await took(() => agent.greet());
      agent.kill();
      return ms;
    };
    const empty = await time();
    makeHistory(home.path, 2000);
    const full = await time();
    const agent = new RawAgent(home.path);
    await agent.greet();
    const list = async (params: object) =>
      (await agent.ask('jobs/list', params)).result as { jobs: { id: string }[]; total: number };
    let first: { jobs: { id: string }[]; total: number } | undefined;
    const cold = await took(async () => {
      first = await list({ limit: 200 });
    });
    const warm = await took(() => list({ limit: 200 }));
    console.log(
      `handshake ${empty.toFixed(0)} ms with no job, ${full.toFixed(0)} ms with 2000; the newest 200 of them: ${cold.toFixed(0)} ms the first time, ${warm.toFixed(0)} ms then`,
    );
    expect([first!.total, first!.jobs.length, first!.jobs[0]!.id]).toEqual([2000, 200, 'job-1999']);
    expect((await list({ skip: 1900, limit: 200 })).jobs.map((job) => job.id)).toHaveLength(100);
    agent.kill();
  });
});

describe.skipIf(excused(noSshd))('over a link of 80 ms', () => {
  const work = mkdtempSync(join(tmpdir(), 'para-scale-'));
  let sshd: Sshd;
  let link: SlowLink;
  beforeAll(async () => {
    sshd = await Sshd.start();
    link = await SlowLink.open(sshd.port, { delayMs: 40 });
  });
  afterAll(async () => {
    await link.close();
    await sshd.stop();
    rmSync(work, { recursive: true, force: true });
  });

  it('200 jobs are listed, for ten clients at once too', async () => {
    const profile = sshHost('far', sshd, work, 'ssh2', link.port);
    makeHistory(join(sshd.home, '.para-studio'), 200);
    const session = await HostSession.open(profile);
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      times.push(
        await took(async () => {
          expect((await session.call('jobs/list', { limit: 200 })).jobs).toHaveLength(200);
        }),
      );
      await sleep(50);
    }
    const sessions = [session];
    // One after the other: sshd takes ten logins at once at most.
    while (sessions.length < 10) sessions.push(await HostSession.open(profile));
    const together = await took(() =>
      Promise.all(
        sessions.map(async (one) =>
          expect((await one.call('jobs/list', { limit: 200 })).jobs).toHaveLength(200),
        ),
      ),
    );
    console.log(
      `200 jobs over 80 ms: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms; ten clients at once: ${together.toFixed(0)} ms`,
    );
    for (const one of sessions) one.close();
  });
});
