import type { HostProfile } from '../profiles.ts';
import { nobody, type Prompter } from '../prompter.ts';
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

/**
 * Works on a connection of its own to a host.
 * @param signal aborted, the connection is closed at once, or as soon as it is there, and nothing is asked any more
 * @throws ParaError `host`, `login`; what the work throws; the signal's reason
 */
export async function withTransport<T>(
  profile: HostProfile,
  prompter: Prompter,
  work: (transport: Transport) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const transport = await openTransport(profile, signal ? until(signal, prompter) : prompter);
  const close = () => transport.close();
  signal?.addEventListener('abort', close);
  try {
    signal?.throwIfAborted();
    const done = await work(transport);
    signal?.throwIfAborted();
    return done;
  } catch (cause) {
    // What the closed connection says is no news.
    signal?.throwIfAborted();
    throw cause;
  } finally {
    signal?.removeEventListener('abort', close);
    close();
  }
}

/** Asks for as long as somebody waits for what comes of it. */
const until = (signal: AbortSignal, prompter: Prompter): Prompter => ({
  confirmHostKey: (question) => (signal.aborted ? nobody : prompter).confirmHostKey(question),
  ask: (question) => (signal.aborted ? nobody : prompter).ask(question),
});
