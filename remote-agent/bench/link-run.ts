import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { specFor } from '../src/cli/train.ts';
import { followJob } from '../src/hosts/follow.ts';
import type { HostProfile } from '../src/hosts/profiles.ts';
import { writeRemote } from '../src/hosts/remote-ref.ts';
import { HostSession } from '../src/hosts/session.ts';
import { submitRun } from '../src/hosts/submit.ts';
import { createJob } from '../src/jobs/job.ts';
import { sshHost } from '../test/hosts/agent-host.ts';
import { descendantsOf } from '../test/hosts/processes.ts';
import { type LinkSettings, SlowLink } from '../test/hosts/slow-link.ts';
import { Sshd } from '../test/hosts/sshd.ts';

/** A host behind a link, with a client's folder of its own. */
export interface LinkedHost {
  readonly profile: HostProfile;
  readonly link: SlowLink;
  readonly sshd: Sshd;
  readonly work: string;
  close(): Promise<void>;
}

/** A real SSH server on this machine with the built agent, reached through a link as described. */
export async function linkedHost(settings: LinkSettings): Promise<LinkedHost> {
  const work = mkdtempSync(join(tmpdir(), 'para-link-'));
  const sshd = await Sshd.start();
  const link = await SlowLink.open(sshd.port, settings);
  const profile = sshHost('far', sshd, join(work, 'home'), 'ssh2', link.port);
  return {
    ...{ profile, link, sshd, work },
    close: async () => {
      await link.close();
      await sshd.stop();
      rmSync(work, { recursive: true, force: true });
    },
  };
}

/**
 * Trains a small subject on the host and returns how long each step's event was under way, in ms: from the trainer's
 * clock to the client's, which are one here.
 * @param during called when the first steps have arrived
 */
export async function eventTimes(
  { profile, work }: LinkedHost,
  root: string,
  steps: number,
  during: (session: HostSession) => void = () => {},
): Promise<number[]> {
  const subject = join(work, 'subject.para.json');
  writeFileSync(
    subject,
    JSON.stringify({
      pictures: [join(root, 'examples/robot/robot-*.png')],
      class: 'robot',
      training: { steps },
      samples: { every: 0 },
      validation: { every: 0 },
      // Files are under way when the measurement says so.
      checkpoints: { every: 10_000 },
    }),
  );
  const id = `run-${Date.now()}`;
  const directory = join(work, id);
  createJob(directory, specFor(subject, {}));
  writeRemote(directory, { host: profile.name, id, bring: 'last', fetched: {} });
  const session = await HostSession.open(profile);
  await submitRun(session, directory, id);
  const times: number[] = [];
  const begun = { done: false };
  await followJob(
    profile,
    directory,
    {
      onEvents: (events) => {
        const now = Date.now();
        for (const event of events)
          if (event.type === 'step' && event.step > 20) times.push(now - Date.parse(event.time));
        if (times.length > 20 && !begun.done) {
          begun.done = true;
          during(session);
        }
      },
    },
    session,
  );
  return times;
}

/** Processor seconds of processes of this machine so far. */
function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It ended meanwhile.
    }
  }
  return ticks / 100;
}

/** Makes a job on the host with so many samples of a size. */
function fillJob({ sshd }: LinkedHost, count: number, bytes: number): void {
  const job = join(sshd.home, '.para-studio/runs/filled');
  mkdirSync(join(job, 'samples'), { recursive: true });
  writeFileSync(join(job, 'spec.json'), '{}');
  for (let i = 0; i < count; i++) writeFileSync(join(job, `samples/step-${i}.png`), randomBytes(bytes));
}

async function fetchSamples({ work }: LinkedHost, session: HostSession, count: number): Promise<void> {
  const blobs = await session.blobs();
  for (let i = 0; i < count; i++)
    await blobs.get('filled', `samples/step-${i}.png`, join(work, `step-${i}.png`));
}

/** As `eventTimes`, while samples of a size come home over the same connection, one after the other. */
export async function eventTimesBesideSamples(
  host: LinkedHost,
  root: string,
  steps: number,
  bytes: number,
): Promise<{ readonly times: number[]; readonly bytesPerSecond: number }> {
  fillJob(host, 3, bytes);
  let fetching: Promise<number> | undefined;
  const times = await eventTimes(host, root, steps, (session) => {
    const begun = performance.now();
    fetching = fetchSamples(host, session, 3).then(() => (3 * bytes) / (performance.now() - begun));
    fetching.catch(() => {});
  });
  return { times, bytesPerSecond: 1000 * (await fetching!) };
}

/** Processor seconds that sending so many files of a size costs the host: the agent and its SSH server. */
export async function sendingCost(host: LinkedHost, count: number, bytes: number): Promise<number> {
  const session = await HostSession.open(host.profile);
  try {
    fillJob(host, count, bytes);
    await session.blobs();
    await sleep(500);
    const before = cpuSeconds(descendantsOf(host.sshd.pid));
    await fetchSamples(host, session, count);
    return cpuSeconds(descendantsOf(host.sshd.pid)) - before;
  } finally {
    session.close();
  }
}

/**
 * How long the list of a host's jobs takes, in ms, a few times: the job that was trained there stands there so often.
 * @throws Error where the host lists another number
 */
export async function listingTimes({ profile, sshd }: LinkedHost, jobs: number): Promise<number[]> {
  const runs = join(sshd.home, '.para-studio/runs');
  const real = readdirSync(runs)[0]!;
  for (let i = 1; i < jobs; i++) {
    mkdirSync(join(runs, `${real}-${i}`));
    for (const name of ['spec.json', 'status.json'])
      copyFileSync(join(runs, real, name), join(runs, `${real}-${i}`, name));
  }
  const session = await HostSession.open(profile);
  try {
    const times: number[] = [];
    for (let i = 0; i < 10; i++) {
      const begun = performance.now();
      const { length } = (await session.call('jobs/list', { limit: jobs })).jobs;
      times.push(performance.now() - begun);
      if (length !== jobs) throw new Error(`${length} jobs are listed, not ${jobs}`);
      await sleep(100);
    }
    return times;
  } finally {
    session.close();
  }
}
