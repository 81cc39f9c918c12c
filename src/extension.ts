import type { ExtensionContext } from 'vscode';
import { l10n, window } from 'vscode';
import { registerCommands } from './platform/commands.ts';
import { Disposables } from './platform/disposables.ts';
import { Failures } from './platform/failure.ts';

/** Puts the rooms together. */
export function activate(context: ExtensionContext): void {
  const owned = new Disposables();
  context.subscriptions.push(owned);
  const log = owned.add(window.createOutputChannel(l10n.t('PaRa Studio'), { log: true }));
  const failures = new Failures(log);
  owned.add(registerCommands({ 'para.showLog': () => log.show() }, failures));
}
