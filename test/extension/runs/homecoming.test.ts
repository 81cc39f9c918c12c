import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { nobody } from '../../../remote-agent/src/hosts/prompter.ts';
import { writeRemote } from '../../../remote-agent/src/hosts/remote-ref.ts';
import { HostSession } from '../../../remote-agent/src/hosts/session.ts';
import { createJob, jobFiles } from '../../../remote-agent/src/jobs/job.ts';
import { lockHolder } from '../../../remote-agent/src/jobs/lock.ts';
import { localHost } from '../../../remote-agent/test/hosts/agent-host.ts';
import { emptySpec } from '../../../remote-agent/test/jobs/host.ts';
import { Hosts } from '../../../src/hosts/hosts.ts';
import { Homecoming } from '../../../src/runs/homecoming.ts';
import { RunStore } from '../../../src/runs/store.ts';

const work = mkdtempSync(join(tmpdir(), 'para-homecoming-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const opened: { dispose(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.dispose();
});

/** A window with runs that their folders say are on the host `gpu`. */
function place(name: string, mayConnect = () => {}, jobs = ['x']) {
  const root = join(work, name);
  const folder = join(root, 'runs');
  const home = join(root, 'home');
  const host = localHost('gpu', join(root, 'host'), home);
  process.env.PARA_HOME = home;
  for (const id of jobs) {
    createJob(join(folder, id), emptySpec());
    writeRemote(join(folder, id), { host: 'gpu', id, bring: 'best', fetched: {} });
  }
  const store = new RunStore(folder, join(root, 'runs.json'));
  const told: unknown[] = [];
  const sessions: HostSession[] = [];
  const open = async (...how: Parameters<typeof HostSession.open>) => {
    const session = await HostSession.open(...how);
    sessions.push(session);
    return session;
  };
  const hosts = new Hosts(() => undefined, nobody, mayConnect, open);
  const homecoming = new Homecoming(store, hosts, (problem) => told.push(problem));
  opened.push(homecoming, store, hosts);
  return { directory: join(folder, 'x'), host, hosts, sessions, store, homecoming, told };
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 600 && !isTrue(); i++) await sleep(50);
  expect(isTrue()).toBe(true);
}

describe('runs that come home', () => {
  test('are over when their host has no such job, so that they can be deleted', async () => {
    const { store, told } = place('gone');
    await store.start();
    await until(() => store.get('x')?.state === 'failed');
    expect(store.get('x')?.error).toContain('gpu: ');
    expect(told).toHaveLength(1);
  });

  test('come over one connection to their host, which is seen as connected and stays when a run is left', async () => {
    const { host, hosts, sessions, store, homecoming } = place('shared', undefined, ['x', 'y']);
    for (const id of ['x', 'y']) createJob(join(host.root, 'runs', id), emptySpec());
    await store.start();
    await until(() => ['x', 'y'].every((id) => homecoming.link(id)?.at === 'connected'));
    expect(hosts.status('gpu').at).toBe('connected');
    expect(await hosts.session('gpu')).toBe(sessions[0]);
    await homecoming.without('x', async () => expect(homecoming.link('y')?.at).toBe('connected'));
    await until(() => homecoming.link('x')?.at === 'connected');
    expect(sessions).toHaveLength(1);
  });

  test('are followed again at once when their host is reconnected', async () => {
    const { directory, host, store, homecoming } = place('again');
    createJob(join(host.root, 'runs', 'x'), emptySpec());
    await store.start();
    await until(() => homecoming.link('x')?.at === 'connected');
    const before = lockHolder(jobFiles(directory).mirror)?.token;
    const links: (string | undefined)[] = [];
    homecoming.onChange((id) => links.push(homecoming.link(id)?.at));
    homecoming.reconnect('gpu');
    await until(() => links.includes('connected'));
    expect(lockHolder(jobFiles(directory).mirror)?.token).not.toBe(before);
  });

  test('are not followed where nothing may be connected', async () => {
    const { directory, store, homecoming } = place('untrusted', () => {
      throw new Error('not trusted');
    });
    await store.start();
    homecoming.reconnect('gpu');
    expect(homecoming.link('x')).toBeUndefined();
    expect(lockHolder(jobFiles(directory).mirror)).toBeUndefined();
  });
});
