import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { nobody } from '../../../remote-agent/src/hosts/prompter.ts';
import { writeRemote } from '../../../remote-agent/src/hosts/remote-ref.ts';
import { createJob, jobFiles } from '../../../remote-agent/src/jobs/job.ts';
import { lockHolder } from '../../../remote-agent/src/jobs/lock.ts';
import { localHost } from '../../../remote-agent/test/hosts/agent-host.ts';
import { emptySpec } from '../../../remote-agent/test/jobs/host.ts';
import { Homecoming } from '../../../src/runs/homecoming.ts';
import { RunStore } from '../../../src/runs/store.ts';

const work = mkdtempSync(join(tmpdir(), 'para-homecoming-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const opened: { dispose(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.dispose();
});

/** A window with one run that its folder says is on the host `gpu`. */
function place(name: string, mayConnect = () => {}) {
  const root = join(work, name);
  const folder = join(root, 'runs');
  const directory = join(folder, 'x');
  const host = localHost('gpu', join(root, 'host'), join(root, 'home'));
  createJob(directory, emptySpec());
  writeRemote(directory, { host: 'gpu', id: 'x', bring: 'best', fetched: {} });
  const store = new RunStore(folder, join(root, 'runs.json'));
  const told: unknown[] = [];
  const homecoming = new Homecoming(store, { profile: () => host, prompter: nobody, mayConnect }, (problem) =>
    told.push(problem),
  );
  opened.push(homecoming, store);
  return { directory, host, store, homecoming, told };
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
