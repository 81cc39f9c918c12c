import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { listHosts } from '../../src/hosts/profiles.ts';
import { writeRemote } from '../../src/hosts/remote-ref.ts';
import { createJob, jobFiles } from '../../src/jobs/job.ts';
import { takeLock } from '../../src/jobs/lock.ts';
import { emptySpec } from '../jobs/host.ts';
import { Para } from './agent-host.ts';

const work = mkdtempSync(join(tmpdir(), 'para-gone-'));
const home = join(work, 'home');
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs `para` to its end. */
async function said(...words: string[]): Promise<{ code: number | null; text: string }> {
  const para = new Para(home, words);
  const code = await para.done;
  return { code, text: para.stdout + para.stderr };
}

it('a run whose host is gone is deleted here alone when that is asked for, not while somebody watches it', async () => {
  const directory = join(home, 'runs/left');
  createJob(directory, emptySpec());
  writeRemote(directory, { host: 'gone', id: 'left-1', bring: 'last', fetched: {} });
  const refused = await said('delete', 'left');
  expect(refused.code).toBe(1);
  expect(refused.text).toContain('para delete left --host here');
  const unlock = takeLock(jobFiles(directory).mirror);
  expect((await said('delete', 'left', '--host', 'here')).text).toContain('Another process watches this run');
  unlock();
  expect((await said('delete', 'left', '--host', 'here')).code).toBe(0);
  expect(existsSync(directory)).toBe(false);
});

it('a host that is replaced keeps what is not said again: its address, its folder', async () => {
  await said('host', 'add', 'gpu', 'ssh -p 4022 ann@203.0.113.7', '--root', 'deep/para');
  await said('host', 'add', 'gpu', '--replace', '--transport', 'openssh');
  const before = process.env.PARA_HOME;
  process.env.PARA_HOME = home;
  expect(listHosts()).toEqual([
    {
      name: 'gpu',
      transport: 'openssh',
      root: 'deep/para',
      target: 'ann@203.0.113.7',
      sshArguments: ['-p', '4022'],
    },
  ]);
  process.env.PARA_HOME = before;
});
