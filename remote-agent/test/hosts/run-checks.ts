// What runs and imports on a host are held to, whatever happened to them on the way.
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type HostImportProgress, importBaseOnHost } from '../../src/hosts/remote-bases.ts';
import type { HostSession } from '../../src/hosts/session.ts';
import { readEvents } from '../../src/jobs/event-log.ts';
import { createJob, jobFiles, readSpec } from '../../src/jobs/job.ts';
import { startTrainer } from '../../src/jobs/start.ts';
import { checkout } from './agent-host.ts';

/** SHA-256 of a run's adapter. */
export const adapterHash = (directory: string): string =>
  createHash('sha256')
    .update(readFileSync(jobFiles(directory).adapter))
    .digest('hex');

/** Hash of the adapter that the run's own spec gives here, undisturbed; it is trained in a folder of `work`. */
export async function undisturbed(directory: string, work: string): Promise<string> {
  const again = join(work, `again-${randomBytes(6).toString('hex')}`);
  createJob(again, readSpec(directory));
  const { done } = startTrainer(again, () => {}, join(checkout, 'remote-agent/dist/trainer.js'));
  expect(await done).toEqual({ outcome: 'finished' });
  return adapterHash(again);
}

/** Events 1..n, each once, to the end. */
export function expectWhole(events: readonly { seq: number; type: string }[]): void {
  expect(events.map((e) => e.seq)).toEqual(events.map((_, i) => i + 1));
  expect(events.at(-1)?.type).toBe('finished');
}

/** Settings of a run that is disturbed on its way: long enough for that, with samples, validation and checkpoints. */
export const eventful = {
  training: { steps: 160, seed: 3 },
  samples: { every: 80, steps: 4 },
  validation: { every: 40 },
  checkpoints: { every: 20, best: true },
};

/** Of an `eventful` run: every event arrived, at whoever watched too, and it made what one that is left in peace makes. */
export async function expectAsUndisturbed(
  directory: string,
  watched: readonly { seq: number; type: string }[],
  work: string,
): Promise<void> {
  expectWhole(watched);
  expectWhole(readEvents(jobFiles(directory).events));
  expect(adapterHash(directory)).toBe(await undisturbed(directory, work));
  expect(readdirSync(jobFiles(directory).samples).sort()).toEqual(['step-000080-0.png', 'step-000160-0.png']);
}

/** Begins to import a base or checkpoint from here, and gives it up with its connection once `isTime` says so. */
export async function cutOffImport(
  session: HostSession,
  path: string,
  isTime: (progress: HostImportProgress) => boolean,
  options: { readonly name?: string } = {},
): Promise<void> {
  const control = new AbortController();
  const cut = importBaseOnHost(
    session,
    { kind: 'here', path },
    (progress) => {
      if (progress.phase === 'sending' && isTime(progress)) control.abort();
    },
    { ...options, signal: control.signal },
  );
  await expect(cut).rejects.toMatchObject({ code: 'cancelled' });
  session.close();
}
