import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bring } from '../../remote-agent/src/hosts/remote-ref.ts';
import type { HostSession } from '../../remote-agent/src/hosts/session.ts';
import type { SendProgress } from '../../remote-agent/src/hosts/submit.ts';
import { createJob, runName } from '../../remote-agent/src/jobs/job.ts';
import type { TrainSpec } from '../../remote-agent/src/subject/train-spec.ts';
import { thisMachine } from '../hosts/this-machine.ts';

/**
 * Makes a run on a host. On this machine the job's folder is the run folder; for others a run folder is made that
 * the job comes home to.
 * @param folder that holds the run folders
 * @returns id of the run
 * @throws ParaError `picture`, `base`, `disk`, `host`
 */
export async function submitSpec(
  session: HostSession,
  spec: TrainSpec,
  folder: string,
  bring: Bring,
  progress: SendProgress,
): Promise<string> {
  const { placeRun, remoteId, submitRun } = await import('../../remote-agent/src/hosts/submit.ts');
  const id = remoteId(runName(spec));
  if (session.profile.name !== thisMachine) {
    const directory = join(folder, id);
    createJob(directory, spec);
    try {
      await placeRun(session, directory, { id, bring, fetched: {} }, progress);
    } catch (cause) {
      if (!mayHaveArrived(cause)) rmSync(directory, { recursive: true, force: true });
      throw cause;
    }
    return id;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'para-run-'));
  try {
    createJob(join(scratch, id), spec);
    await submitRun(session, join(scratch, id), id, progress);
    return id;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A lost link leaves open whether the job was made; every other failure says that it was not. */
const mayHaveArrived = (cause: unknown) => (cause as { code?: string }).code === 'host';
