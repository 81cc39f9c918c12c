import { commands, l10n, Uri, workspace } from 'vscode';
import type { ParaError } from '../remote-agent/src/common/errors.ts';
import type { HostProfile } from '../remote-agent/src/hosts/profiles.ts';
import { thisMachine } from './hosts/this-machine.ts';
import { wantsOpenSsh } from './hosts/transport.ts';
import type { Remedy } from './platform/failure.ts';
import { openAt, placeOf } from './platform/file-place.ts';

const command = (title: string, id: string, ...args: unknown[]): Remedy => ({
  title,
  run: () => commands.executeCommand(id, ...args),
});

/**
 * Ways out that the editor can offer for a failure.
 * @param hostOf tells which host a failure is about, where that is known
 */
export function remediesOf(
  cause: ParaError,
  hostOf: (cause: ParaError) => HostProfile | undefined,
): readonly Remedy[] {
  const { code, where } = cause;
  switch (code) {
    case 'agent':
      // The agent of this machine is a part of the extension: what is missing is the program that runs it.
      if (where === thisMachine)
        return [command(l10n.t('Open Settings'), 'workbench.action.openSettings', 'para.nodePath')];
      return [command(l10n.t('Install Agent'), 'para.installAgent', where)];
    case 'protocol':
      return [command(l10n.t('Install Agent'), 'para.installAgent', where?.split(':')[0])];
    case 'host':
    case 'login': {
      const host = hostOf(cause);
      if (!host && code === 'host') return [command(l10n.t('Add Host'), 'para.addHost')];
      return [
        ...(host && wantsOpenSsh(host, cause)
          ? [command(l10n.t("Use the System's ssh"), 'para.chooseTransport', host.name, 'openssh')]
          : []),
        command(l10n.t('Check Host'), 'para.checkHost', host?.name),
      ];
    }
    case 'settings':
      if (where === undefined && !workspace.isTrusted)
        return [command(l10n.t('Manage Workspace Trust'), 'workbench.trust.manage')];
      if (!where?.endsWith('hosts.json')) return [];
      return [command(l10n.t('Open File'), 'vscode.open', Uri.file(where))];
    case 'subject': {
      const place = where === undefined ? undefined : placeOf(where);
      return place ? [{ title: l10n.t('Open File'), run: () => openAt(place) }] : [];
    }
    case 'base':
      return [command(l10n.t('Import Base Model'), 'para.importBase')];
    default:
      return [];
  }
}
