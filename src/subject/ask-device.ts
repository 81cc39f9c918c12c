import { ConfigurationTarget, l10n, ThemeIcon, window, workspace } from 'vscode';
import type { HostSession } from '../../remote-agent/src/hosts/session.ts';
import type { Devices } from '../../remote-agent/src/protocol/contract/host.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import type { Work } from '../platform/progress.ts';
import { setting } from '../platform/settings.ts';
import type { Services } from '../runs/services.ts';
import { localDevice } from './local-device.ts';

/** The device of this machine for a run (see `localDevice`). The answer is kept in the setting "para.device". */
export const deviceHere = (
  { log }: Services,
  session: HostSession,
  work: Work,
): Promise<Devices['device'] | undefined> =>
  localDevice(setting('device'), {
    find: async () => {
      work.report(l10n.t('looking for a GPU'));
      const found = await session.call('host/devices', {});
      log.info(`This machine computes on ${found.device}: ${found.why}`);
      return found;
    },
    ask,
    remember: async (answer) =>
      workspace.getConfiguration('para').update('device', answer, ConfigurationTarget.Global),
  });

/** What a host draws on: this machine on its GPU where the person said so, else its processor; others choose. */
export async function drawingDevice(
  host: string,
  session: HostSession,
): Promise<Devices['device'] | undefined> {
  if (host !== thisMachine) return undefined;
  return setting('device') === 'gpu' ? (await session.call('host/devices', {})).device : 'cpu';
}

async function ask({ device, findings }: Devices): Promise<'gpu' | 'processor' | undefined> {
  const speed = findings.find((finding) => finding.device === device)?.speed ?? 1;
  const items = [
    {
      label: l10n.t("this machine's GPU"),
      description: device === 'cuda' ? 'CUDA' : 'WebGPU',
      detail: l10n.t('about {0} times as fast as the processor in matrix products', speed.toPrecision(2)),
      iconPath: new ThemeIcon('circuit-board'),
      answer: 'gpu' as const,
    },
    {
      label: l10n.t("this machine's processor"),
      detail: l10n.t('the same numbers at every run'),
      iconPath: new ThemeIcon('chip'),
      answer: 'processor' as const,
    },
  ];
  const placeHolder = l10n.t('Asked once; the setting "para.device" keeps the answer');
  return (await window.showQuickPick(items, { title: l10n.t('On what?'), placeHolder }))?.answer;
}
