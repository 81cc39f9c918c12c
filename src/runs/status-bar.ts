import { l10n, StatusBarAlignment, window } from 'vscode';
import { methodName } from '../platform/format.ts';
import type { Owned } from '../platform/signal.ts';
import { isActive } from './run.ts';
import type { RunStore } from './store.ts';
import { stateWord } from './tree.ts';

/** What runs now, in the status bar; hidden where nothing does. */
export function runsInStatusBar(store: RunStore): Owned {
  const item = window.createStatusBarItem('para.running', StatusBarAlignment.Left, 10);
  item.name = l10n.t('PaRa: what runs now');
  const show = () => {
    const active = store.all().filter(isActive);
    const first = active.find(({ state }) => state === 'running') ?? active[0];
    if (!first) return item.hide();
    const percent = Math.floor((100 * first.step) / Math.max(1, first.steps));
    const more = active.length > 1 ? ` +${active.length - 1}` : '';
    item.text =
      first.state === 'running'
        ? `$(loading~spin) ${first.subject} ${percent} %${more}`
        : `$(watch) ${first.subject}${more}`;
    item.tooltip = active
      .map((run) => `${run.subject} · ${methodName(run.method)} · ${stateWord(run)} ${run.step}/${run.steps}`)
      .join('\n');
    item.accessibilityInformation = {
      label: l10n.t('PaRa: {0}, {1} of {2} steps', first.subject, first.step, first.steps),
    };
    item.command = { command: 'para.showRun', title: l10n.t('Show Run'), arguments: [first.id] };
    item.show();
  };
  const listening = store.onChange(show);
  show();
  return {
    dispose: () => {
      listening.dispose();
      item.dispose();
    },
  };
}
