import { l10n } from 'vscode';
import { redact } from '../../remote-agent/src/common/redact.ts';
import { jobFiles } from '../../remote-agent/src/jobs/job.ts';
import { hostLabel } from '../hosts/label.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { describe } from '../platform/failure.ts';
import { endOf } from './panel/run-files.ts';
import type { Run } from './run.ts';
import type { Services } from './services.ts';

/** The end of a run's log, without secrets. */
export interface TrainerLog {
  readonly text: string;
  /** Whether there is more before it. */
  readonly cut: boolean;
  /** Why it may not be all. */
  readonly note?: string;
}

/**
 * Reads what the trainer wrote to its log, where it wrote it: logs of hosts stay there.
 * @param bytes of its end
 * @param connect whether a host that is not connected may be for this
 */
export async function trainerLog(
  { hosts }: Pick<Services, 'hosts'>,
  run: Run,
  bytes: number,
  connect: boolean,
): Promise<TrainerLog> {
  const here = await endOf(jobFiles(run.directory).log, bytes);
  const local = { text: redact(here.text), cut: here.cut };
  if (run.host === thisMachine) return local;
  const isThere = hosts.status(run.host).at === 'connected';
  if (!isThere && !connect)
    return { ...local, note: l10n.t('The log is on {0}, which is not connected.', hostLabel(run.host)) };
  try {
    const session = await hosts.session(run.host);
    const { text } = await session.call('jobs/log', { id: run.job, bytes });
    // A job that was moved there has what it wrote elsewhere before.
    return text ? { text: redact(text), cut: Buffer.byteLength(text) >= bytes - mostLine } : local;
  } catch (cause) {
    return { ...local, note: describe(cause) };
  }
}

/** A log that is cut begins with a whole line: so much may be missing before it, in bytes. */
const mostLine = 4096;
