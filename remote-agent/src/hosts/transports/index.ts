import type { HostProfile } from '../profiles.ts';
import type { Prompter } from '../prompter.ts';
import { LocalTransport } from './local.ts';
import { OpenSshTransport } from './openssh.ts';
import { Ssh2Transport } from './ssh2.ts';
import type { Transport } from './transport.ts';

/** Connects to a host the way its profile says. @throws ParaError `host`, `login` */
export async function openTransport(profile: HostProfile, prompter: Prompter): Promise<Transport> {
  switch (profile.transport) {
    case 'local':
      return new LocalTransport(profile.agent?.env);
    case 'openssh':
      return new OpenSshTransport(profile, prompter);
    case 'ssh2':
      return Ssh2Transport.connect(profile, prompter);
  }
}

/** Works on a connection of its own to a host. @throws ParaError `host`, `login`; what the work throws */
export async function withTransport<T>(
  profile: HostProfile,
  prompter: Prompter,
  work: (transport: Transport) => Promise<T>,
): Promise<T> {
  const transport = await openTransport(profile, prompter);
  try {
    return await work(transport);
  } finally {
    transport.close();
  }
}
