import { l10n } from 'vscode';
import type { HostSession } from '../../remote-agent/src/hosts/session.ts';
import type { Devices } from '../../remote-agent/src/protocol/contract/host.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { setting } from '../platform/settings.ts';

/**
 * The device of this machine to train and draw on: a GPU that is worth it, else the processor; the processor without a
 * look at drivers where the setting "para.device" says so. The first look at this machine's devices may take a minute.
 */
export const deviceHere = async (session: HostSession): Promise<Pick<Devices, 'device' | 'why'>> =>
  setting('device') === 'processor'
    ? { device: 'cpu', why: l10n.t('"para.device" says so') }
    : session.call('host/devices', {});

/** What a host draws on; others than this machine choose themselves. */
export const drawingDevice = async (
  host: string,
  session: HostSession,
): Promise<Devices['device'] | undefined> =>
  host === thisMachine ? (await deviceHere(session)).device : undefined;
