import { commands, l10n, Uri } from 'vscode';
import type { ParaError } from '../remote-agent/src/common/errors.ts';
import { thisMachine } from './hosts/this-machine.ts';
import type { Remedy } from './platform/failure.ts';

const command = (title: string, id: string, ...args: unknown[]): Remedy => ({
  title,
  run: () => commands.executeCommand(id, ...args),
});

/** Ways out that the editor can offer for a failure. */
export function remediesOf({ code, where }: ParaError): readonly Remedy[] {
  switch (code) {
    case 'agent':
      // The agent of this machine is a part of the extension: what is missing is the program that runs it.
      if (where === thisMachine)
        return [command(l10n.t('Open Settings'), 'workbench.action.openSettings', 'para.nodePath')];
      return [command(l10n.t('Install Agent'), 'para.installAgent', where)];
    case 'protocol':
      return [command(l10n.t('Install Agent'), 'para.installAgent', where?.split(':')[0])];
    case 'host':
    case 'login':
      return [command(l10n.t('Check Host'), 'para.checkHost')];
    case 'settings':
      if (!where?.endsWith('hosts.json')) return [];
      return [command(l10n.t('Open File'), 'vscode.open', Uri.file(where))];
    case 'base':
      return [command(l10n.t('Import Base Model'), 'para.importBase')];
    default:
      return [];
  }
}
