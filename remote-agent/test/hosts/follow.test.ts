import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { followJob } from '../../src/hosts/follow.ts';
import { writeRemote } from '../../src/hosts/remote-ref.ts';
import { createJob, jobFiles } from '../../src/jobs/job.ts';
import { lockHolder } from '../../src/jobs/lock.ts';
import { emptySpec } from '../jobs/host.ts';
import { localHost } from './agent-host.ts';

const work = mkdtempSync(join(tmpdir(), 'para-follow-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('following a job', () => {
  it('that is ended while the host is still being reached ends, and gives the run folder back', async () => {
    const host = localHost('gpu', join(work, 'host'), join(work, 'home'));
    // Waits there for ever: nothing but the end of the following ends it.
    createJob(join(work, 'host', 'runs', 'x'), emptySpec());
    const directory = join(work, 'home', 'runs', 'x');
    createJob(directory, emptySpec());
    writeRemote(directory, { host: 'gpu', id: 'x', bring: 'best', fetched: {} });
    const control = new AbortController();
    const links: string[] = [];
    const following = followJob(host, directory, {
      signal: control.signal,
      onLink: ({ at }) => links.push(at),
    });
    await sleep(1);
    expect(lockHolder(jobFiles(directory).mirror)).toBeDefined();
    control.abort();
    expect(await following).toBeUndefined();
    expect(links).toEqual([]);
    expect(lockHolder(jobFiles(directory).mirror)).toBeUndefined();
  });
});
