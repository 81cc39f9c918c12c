import type { HostProfile } from '../profiles.ts';
import type { Prompter } from '../prompter.ts';
import { LocalTransport } from './local.ts';
import { OpenSshTransport } from './openssh.ts';
import type { Transport } from './transport.ts';

/** Connects to a host the way its profile says. @throws ParaError `host` */
export async function openTransport(profile: HostProfile, _prompter: Prompter): Promise<Transport> {
  return profile.transport === 'local' ? new LocalTransport() : new OpenSshTransport(profile);
}
