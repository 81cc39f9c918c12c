import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { specFor } from '../../src/cli/train.ts';
import type { HostProfile } from '../../src/hosts/profiles.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { createJob, jobFiles } from '../../src/jobs/job.ts';
import { startTrainer } from '../../src/jobs/start.ts';
import type { JobInfo } from '../../src/protocol/contract.ts';
import type { WireEvent } from '../../src/protocol/events.ts';
import type { WireSpec } from '../../src/protocol/spec.ts';
import { robotSubject } from './agent-host.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'para-hosts-'));
const profile: HostProfile = { name: 'here', transport: 'local', root: join(work, 'host') };
const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const spec = (() => {
  const subject = robotSubject(work, {
    training: { steps: 200, seed: 3 },
    samples: { every: 0 },
    validation: { every: 0 },
    checkpoints: { every: 20 },
  });
  return specFor(subject, {}, '2026-01-02T03:04:05.000Z');
})();
const wire = {
  ...spec,
  pictures: spec.pictures.map(({ sha256, caption }) => ({ sha256, caption })),
  validationPictures: [],
} as unknown as WireSpec;

beforeAll(() => {
  const folder = join(profile.root, 'agent/current');
  mkdirSync(folder, { recursive: true });
  // A shell that talks before the agent does.
  writeFileSync(
    join(folder, 'para-agent'),
    `echo "Welcome! {not json"; printf 'no line end'\nPARA_HOME='${profile.root}' exec '${process.execPath}' '${root}/remote-agent/dist/agent.js' "$@"\n`,
  );
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Follows the job on one connection, adding to `seen`, until it is over or `until` says so. */
async function follow(
  session: HostSession,
  seen: WireEvent[],
  until: () => boolean,
): Promise<JobInfo | undefined> {
  const over = new Promise<JobInfo | undefined>((resolve) => {
    session.client.on('events', ({ events, job }) => {
      seen.push(...events);
      if (until()) resolve(undefined);
      if (job && ['finished', 'failed', 'stopped'].includes(job.state)) resolve(job);
    });
  });
  await session.call('events/subscribe', {
    id: 'run-1',
    fromSeq: (seen.at(-1)?.seq ?? 0) + 1,
    ...(seen.length > 0 ? { last: seen.at(-1)!.time } : {}),
  });
  return over;
}

it('ends with the bytes of a local run though the agent is killed and the trainer too, and no event is lost or doubled', async () => {
  const here = join(work, 'local');
  createJob(here, spec);
  expect((await startTrainer(here, () => {}, join(root, 'remote-agent/dist/trainer.js')).done).outcome).toBe(
    'finished',
  );

  const first = await HostSession.open(profile);
  const hashes = spec.pictures.map((p) => p.sha256);
  expect((await first.call('blobs/missing', { hashes })).missing).toEqual(hashes);
  for (const { file, sha256 } of spec.pictures) await (await first.blobs()).put(file, sha256);
  expect((await first.call('blobs/missing', { hashes })).missing).toEqual([]);
  await expect((await first.blobs()).put(spec.pictures[0]!.file, '0'.repeat(64))).rejects.toMatchObject({
    code: 'blob',
  });
  await first.call('jobs/submit', { id: 'run-1', spec: wire });
  await first.call('jobs/submit', { id: 'run-1', spec: wire });
  expect((await first.call('jobs/list', {})).jobs).toHaveLength(1);

  const seen: WireEvent[] = [];
  await follow(first, seen, () => seen.some((e) => e.type === 'step' && e.step >= 2));
  first.close(); // kills the agent
  const second = await HostSession.open(profile);
  await follow(second, seen, () => seen.some((e) => e.type === 'step' && e.step >= 30));
  const lock = jobFiles(join(profile.root, 'runs/run-1')).lock;
  process.kill((JSON.parse(readFileSync(lock, 'utf8')) as { pid: number }).pid, 'SIGKILL');
  second.close();
  const third = await HostSession.open(profile);
  const job = await follow(third, seen, () => false);
  expect(job).toMatchObject({ state: 'finished', step: 200 });
  expect(seen.map((e) => e.seq)).toEqual(seen.map((_, i) => i + 1));
  expect(seen.some((e) => e.type === 'resumed')).toBe(true);
  const fetched = join(work, 'adapter.safetensors');
  await (await third.blobs()).get('run-1', 'adapter.safetensors', fetched);
  expect(sha(readFileSync(fetched))).toBe(sha(readFileSync(jobFiles(here).adapter)));
  third.close();
});
