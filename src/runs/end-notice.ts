import { commands, l10n, window } from 'vscode';
import { methodName } from '../platform/format.ts';
import { setting } from '../platform/settings.ts';
import type { Owned } from '../platform/signal.ts';
import { told } from '../platform/told.ts';
import type { Run } from './run.ts';
import type { RunStore } from './store.ts';

/**
 * Tells when a run ends or fails while nobody looks at it.
 * @param isWatched whether the run is on screen
 */
export function tellOfEnds(store: RunStore, isWatched: (run: Run) => boolean): Owned {
  return store.onEnd((run) => {
    if (!setting('notifications') || run.state === 'stopped' || isWatched(run)) return;
    void tell(run);
  });
}

async function tell(run: Run): Promise<void> {
  const show = l10n.t('Show Run');
  const compare = l10n.t('Compare');
  const method = methodName(run.method);
  const answer =
    run.state === 'finished'
      ? await window.showInformationMessage(
          l10n.t('{0}: {1} is finished after {2} steps.', run.subject, method, run.step),
          show,
          compare,
        )
      : await window.showErrorMessage(
          l10n.t('{0}: {1} did not finish. {2}', run.subject, method, told(run.error ?? '')),
          show,
        );
  if (answer === show) await commands.executeCommand('para.showRun', run.id);
  if (answer === compare) await commands.executeCommand('para.compareAdapters', run.id);
}
