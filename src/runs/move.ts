import { commands, l10n, window } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { readRemote } from '../../remote-agent/src/hosts/remote-ref.ts';
import { bringBase } from '../hosts/known-bases.ts';
import { hostLabel } from '../hosts/label.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { chooseAgain } from '../platform/last-choice.ts';
import { type Work, withProgress } from '../platform/progress.ts';
import { allActive, type RunArgument, whichRun } from './commands.ts';
import { isActive, type Run } from './run.ts';
import type { Services } from './services.ts';

/**
 * Lets a run go on somewhere else, from its last saved state: a rented machine is gone, or another is faster. Where its
 * host is reached, it is stopped there first; where not, what came home is what there is.
 */
export async function continueElsewhere(services: Services, argument: RunArgument): Promise<void> {
  const { hosts, homecoming, runs } = services;
  hosts.mayConnect();
  const run = await whichRun(
    services,
    argument,
    l10n.t('Continue which run elsewhere?'),
    canMove,
    allActive(),
  );
  if (!run) return;
  if (!canMove(run))
    throw new ParaError('locked', l10n.t('This run is being trained on this machine'), {
      hint: l10n.t('stop it first'),
    });
  const target = await chooseTarget(services, run);
  if (!target) return;
  await withProgress(l10n.t('Continue {0} on {1}', run.subject, hostLabel(target)), (work) =>
    homecoming.without(run.id, () => move(services, run, target, work)),
  );
  await runs.refresh();
  await commands.executeCommand('para.showRun', run.id);
}

const canMove = (run: Run) => run.host !== thisMachine || !isActive(run);

async function chooseTarget({ context, hosts }: Services, run: Run): Promise<string | undefined> {
  const others = hosts.names().filter((name) => name !== run.host);
  if (others.length === 0)
    throw new ParaError('host', l10n.t('There is no other host'), {
      hint: l10n.t('add one with "PaRa: Add Host"'),
    });
  const items = others.map((name) => ({ id: name, label: hostLabel(name) }));
  const title = l10n.t('Continue {0} where?', run.subject);
  return (await chooseAgain(context.globalState, 'para.lastMovedTo', items, { title }))?.id;
}

async function move({ hosts, log }: Services, run: Run, target: string, work: Work): Promise<void> {
  const { HostSession } = await import('../../remote-agent/src/hosts/session.ts');
  const { findAmong, listHostBases } = await import('../../remote-agent/src/hosts/remote-bases.ts');
  const { moveRun, takeRunHome } = await import('../../remote-agent/src/hosts/move-run.ts');
  const session = await hosts.session(target);
  const hooks = {
    signal: work.signal,
    open: (host: string) => HostSession.open(hosts.profile(host), hosts.prompter),
    onStopping: (host: string) => work.report(l10n.t('the run saves its state on {0}', host)),
    onUnreached: ({ host, step }: { host: string; step: number }, why: ParaError) => {
      log.warn(`${run.id}: ${host} is not reached: ${why.message}`);
      void window.showWarningMessage(
        l10n.t(
          '{0} is not reached. The run goes on from step {1}, as it came home; should it still run there, stop it when {0} is back.',
          host,
          step,
        ),
      );
    },
    progress: (sent: number, total: number) => work.report(l10n.t('sending files: {0} of {1}', sent, total)),
  };
  if (target !== thisMachine) return moveRun(session, run.directory, hooks);
  const remote = readRemote(run.directory);
  const bases = findAmong(await listHostBases(session), target, bringBase());
  if (remote) await takeRunHome(run.directory, remote, (name) => bases(name).hash, hooks);
  await session.call('jobs/resume', { id: run.id });
}
