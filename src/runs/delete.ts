import { l10n } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { jobFiles } from '../../remote-agent/src/jobs/job.ts';
import { lockHolder } from '../../remote-agent/src/jobs/lock.ts';
import { hostLabel } from '../hosts/label.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { confirmed } from '../platform/confirm.ts';
import { forget, type PutAway, putAway, takeBack } from '../platform/trash.ts';
import { offerUndo } from '../platform/undo.ts';
import { allActive, type RunArgument, whichRun } from './commands.ts';
import { isActive, type Run } from './run.ts';
import type { Services } from './services.ts';

/** A run that was deleted, and its folder. */
interface Deleted {
  readonly run: Run;
  readonly folder: PutAway;
}

/** Takes runs out of the history; they can be had back for as long as the message is there. */
export async function deleteRun(services: Services, argument: RunArgument, all?: readonly RunArgument[]) {
  const first = await whichRun(
    services,
    argument,
    l10n.t('Delete which run?'),
    (run) => !isHeld(services, run),
    allActive(),
  );
  if (!first) return;
  const chosen = [first];
  for (const other of all ?? []) {
    const run = await whichRun(services, other, '');
    if (run && !chosen.some(({ id }) => id === run.id)) chosen.push(run);
  }
  for (const run of chosen.filter(isActive)) if (!(await agreeToLeave(services, run))) return;
  const deleted: Deleted[] = [];
  try {
    for (const run of chosen)
      await services.homecoming.without(run.id, async () => {
        deleted.push({ run, folder: await putAway(run.directory) });
        await services.runs.refresh();
      });
  } catch (cause) {
    await restore(deleted);
    await services.runs.refresh();
    throw cause;
  }
  const text =
    chosen.length === 1
      ? l10n.t('Deleted the run of {0}.', first.subject)
      : l10n.t('Deleted {0} runs.', chosen.length);
  offerUndo(
    text,
    {
      takeBack: async () => {
        await restore(deleted);
        await services.runs.refresh();
      },
      forget: () => forgetAll(services, deleted),
    },
    services.failures,
  );
}

/** Whether something goes on with a run that can be stopped: it is to be stopped before it is deleted. */
function isHeld({ hosts }: Services, run: Run): boolean {
  if (!isActive(run)) return false;
  if (run.host === thisMachine || hosts.status(run.host).at === 'connected') return true;
  // Another window or program brings it home.
  const holder = lockHolder(jobFiles(run.directory).mirror);
  return holder !== undefined && holder.pid !== process.pid;
}

/**
 * An active run is stopped before it is deleted, unless its host is out of reach: a rented machine may never come back.
 * @throws ParaError `locked`
 */
async function agreeToLeave(services: Services, run: Run): Promise<boolean> {
  if (isHeld(services, run))
    throw new ParaError('locked', l10n.t('The run of "{0}" is active', run.subject), {
      hint: l10n.t('stop it first'),
    });
  return confirmed(
    l10n.t('The run of {0} may still be going on, and {1} is not reached.', run.subject, hostLabel(run.host)),
    l10n.t('What came home is deleted; what is there stays there.'),
    l10n.t('Delete All the Same'),
  );
}

async function restore(deleted: readonly Deleted[]): Promise<void> {
  for (const { folder } of deleted) await takeBack(folder);
}

async function forgetAll(services: Services, deleted: readonly Deleted[]): Promise<void> {
  for (const { run, folder } of deleted) {
    if (run.host !== thisMachine) await forgetJob(services, run);
    await forget(folder);
  }
}

/** Deletes a job on its host, where it can be reached without asking anybody. */
async function forgetJob({ hosts, log }: Services, run: Run): Promise<void> {
  if (hosts.status(run.host).at !== 'connected') {
    log.info(`${run.id} stays on ${run.host}, which is not connected`);
    return;
  }
  try {
    const session = await hosts.session(run.host);
    await session.call('jobs/delete', { id: run.job });
  } catch (cause) {
    log.warn(`${run.id} stays on ${run.host}: ${String(cause)}`);
  }
}
