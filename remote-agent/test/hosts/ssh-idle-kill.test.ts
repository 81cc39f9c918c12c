import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashFile } from '../../src/common/hash.ts';
import { followJob } from '../../src/hosts/follow.ts';
import { writeRemote } from '../../src/hosts/remote-ref.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { EventLog, readEvents } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles } from '../../src/jobs/job.ts';
import { emptySpec } from '../jobs/host.ts';
import { sshHost } from './agent-host.ts';
import { excused, noSshd, Sshd } from './sshd.ts';

describe.skipIf(excused(noSshd)).each(['ssh2', 'openssh'] as const)(
  'a server that closes what was idle for two seconds, over %s',
  (kind) => {
    const work = mkdtempSync(join(tmpdir(), 'para-idle-kill-'));
    let sshd: Sshd;
    beforeAll(async () => {
      sshd = await Sshd.start({ config: ['ChannelTimeout session:command=2s'] });
    });
    afterAll(async () => {
      await sshd.stop();
      rmSync(work, { recursive: true, force: true });
    });

    it('cuts off whoever watches a job that waits, who comes back each time and misses no event', async () => {
      const home = join(work, 'watcher');
      const host = sshHost('far', sshd, home, kind);
      const there = join(sshd.home, '.para-studio', 'runs', 'x');
      // Waits there until somebody writes its log.
      createJob(there, emptySpec());
      const directory = join(home, 'runs', 'x');
      createJob(directory, emptySpec());
      writeRemote(directory, { host: 'far', id: 'x', bring: 'best', fetched: {} });
      const control = new AbortController();
      const log = new EventLog(jobFiles(there).events);
      const links: string[] = [];
      await followJob(host, directory, {
        signal: control.signal,
        onEvents: (events) => {
          if (events.at(-1)!.seq === 3) control.abort();
        },
        onLink: ({ at }) => {
          links.push(at);
          // While nobody listens, and again while somebody does.
          if (at === 'waiting' || links.length === 5)
            log.append({ type: 'note', message: `after ${links.length} changes of the link` }, true);
        },
      });
      log.close();
      expect(links).toEqual(['connected', 'waiting', 'connected', 'waiting', 'connected']);
      expect(readEvents(jobFiles(directory).events).map((e) => e.seq)).toEqual([1, 2, 3]);
    });

    it('closes the channel for files, which is opened anew for the next', async () => {
      const host = sshHost('far', sshd, join(work, 'sender'), kind);
      const session = await HostSession.open(host);
      // Requests keep the other channel awake.
      const awake = setInterval(() => session.call('ping', {}).catch(() => {}), 300);
      try {
        for (const text of ['one', 'two']) {
          const path = join(work, text);
          writeFileSync(path, text);
          const sha256 = await hashFile(path);
          const blobs = await session.blobs();
          await blobs.put(path, sha256);
          expect(readFileSync(join(sshd.home, '.para-studio/blobs', sha256), 'utf8')).toBe(text);
          while (!blobs.ended) await new Promise((resume) => setTimeout(resume, 20));
        }
      } finally {
        clearInterval(awake);
        session.close();
      }
    });
  },
);
