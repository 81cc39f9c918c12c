import { commands, type Disposable } from 'vscode';
import { Disposables } from './disposables.ts';
import type { Failures } from './failure.ts';

/** Ids of all commands; the manifest names the same. */
export const commandIds = [
  'para.trainSubject',
  'para.newSubject',
  'para.continueTraining',
  'para.continueElsewhere',
  'para.stopTraining',
  'para.generate',
  'para.compareAdapters',
  'para.compareMethods',
  'para.compareStrengths',
  'para.exportAdapter',
  'para.importAdapter',
  'para.importBase',
  'para.addHost',
  'para.checkHost',
  'para.installAgent',
  'para.uninstallAgent',
  'para.removeHost',
  'para.chooseTransport',
  'para.reconnect',
  'para.showRun',
  'para.showRunsOfSubject',
  'para.showLog',
  'para.showRunLog',
  'para.copyPrompt',
  'para.revealRunFolder',
  'para.deleteRun',
  'para.deleteAdapter',
  'para.filterRuns',
  'para.clearRunFilter',
  'para.groupRunsBySubject',
  'para.groupRunsByHost',
  'para.showMoreRuns',
  'para.refresh',
  'para.runDiagnostics',
  'para.openSampleSubject',
  'para.trainSampleSubject',
  'para.drawPromptLine',
  'para.openSubjectEditor',
  'para.openDocumentation',
] as const;
export type CommandId = (typeof commandIds)[number];

type Handler = (...args: never[]) => unknown;

/** What every command does; one that is missing does not compile. */
export type CommandHandlers = Readonly<Record<CommandId, Handler>>;

/** Registers all commands; what they do is loaded with the first of them. Whatever they throw is shown once. */
export function registerCommands(load: () => Promise<CommandHandlers>, failures: Failures): Disposable {
  const owned = new Disposables();
  for (const id of commandIds)
    owned.add(
      commands.registerCommand(id, async (...args: unknown[]) => {
        try {
          const handler = (await load())[id] as (...args: unknown[]) => unknown;
          return await handler(...args);
        } catch (cause) {
          void failures.show(cause);
        }
      }),
    );
  return owned;
}
