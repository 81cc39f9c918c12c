import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bring } from '../../remote-agent/src/hosts/remote-ref.ts';
import { writeRemote } from '../../remote-agent/src/hosts/remote-ref.ts';
import type { HostSession } from '../../remote-agent/src/hosts/session.ts';
import type { SendProgress } from '../../remote-agent/src/hosts/submit.ts';
import { createJob, jobFiles, runName } from '../../remote-agent/src/jobs/job.ts';
import { takeLock } from '../../remote-agent/src/jobs/lock.ts';
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
  const { remoteId, submitRun } = await import('../../remote-agent/src/hosts/submit.ts');
  const id = remoteId(runName(spec));
  if (session.profile.name !== thisMachine) {
    const directory = join(folder, id);
    createJob(directory, spec);
    // Until it is sent nobody brings home what is not there yet.
    const unlock = takeLock(jobFiles(directory).mirror);
    try {
      // Before it is sent: a window that is closed in between finds out later whether it was.
      writeRemote(directory, { host: session.profile.name, id, bring, fetched: {} });
      await submitRun(session, directory, id, progress);
    } catch (cause) {
      if (!mayHaveArrived(cause)) rmSync(directory, { recursive: true, force: true });
      throw cause;
    } finally {
      unlock();
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
