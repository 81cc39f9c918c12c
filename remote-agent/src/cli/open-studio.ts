import { ParaError } from '../common/errors.ts';
import { openBase } from '../diffusion/base.ts';
import { type DeviceOption, deviceHere } from './devices.ts';
import { openHost } from './host-run.ts';
import { HostStudio } from './host-studio.ts';
import { LocalStudio } from './local-studio.ts';
import type { Studio } from './studio.ts';

/**
 * Opens a base where it is to draw.
 * @throws ParaError `base`, `settings` for a device of a host, which chooses itself, and those of a connection
 */
export async function openStudio(
  base: string,
  { host, device }: { readonly host?: string; readonly device?: DeviceOption },
): Promise<Studio> {
  if (host === undefined) return new LocalStudio(openBase(base), await deviceHere(device));
  if (device !== undefined && device !== 'auto')
    throw new ParaError('settings', 'A host chooses itself what it draws on', {
      where: '--device',
      hint: 'leave --device out, or --host',
    });
  const session = await openHost(host);
  try {
    return await HostStudio.open(session, base);
  } catch (cause) {
    session.close();
    throw cause;
  }
}
