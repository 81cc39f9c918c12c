import { openBase } from '../diffusion/base.ts';
import { openHost } from './host-run.ts';
import { HostStudio } from './host-studio.ts';
import { LocalStudio } from './local-studio.ts';
import type { Studio } from './studio.ts';

/** Opens a base where it is to draw. @throws ParaError `base`, and those of a connection */
export async function openStudio(base: string, host: string | undefined): Promise<Studio> {
  if (host === undefined) return new LocalStudio(openBase(base));
  const session = await openHost(host);
  try {
    return await HostStudio.open(session, base);
  } catch (cause) {
    session.close();
    throw cause;
  }
}
