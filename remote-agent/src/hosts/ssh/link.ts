import type { Duplex } from 'node:stream';
import ssh2, { type Client, type ConnectConfig } from 'ssh2';
import { ParaError } from '../../common/errors.ts';
import type { Prompter } from '../prompter.ts';
import { Deadline } from './deadline.ts';
import { checkHostKey, hostKeyAlgorithms } from './host-key.ts';
import { Login } from './login.ts';
import { commandRoad, dial, type Road } from './road.ts';
import { type HostSettings, readSettings } from './settings.ts';

/** Names of ssh2's own lists, strongest first; what SHA-1 alone protects is left out. */
const supported = {
  hostKeys: [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
    'ssh-rsa',
  ],
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group-exchange-sha256',
    'diffie-hellman-group14-sha256',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
  ],
  ciphers: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
    'chacha20-poly1305@openssh.com',
  ],
  macs: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
};
const mostHops = 8;

/** A login on a host, through all the hosts before it. */
export interface Link {
  readonly settings: HostSettings;
  readonly client: Client;
  /** Resolves with the reason once the link is over, whoever ended it. */
  readonly lost: Promise<Error | undefined>;
  close(): void;
}

/**
 * Logs in on a host: on each hop of the way its key is checked and its login made, as on the last.
 * @param via hosts to go through, instead of those the settings name
 * @throws ParaError `login` where trying again cannot help; Error where the network fails
 */
export async function openLink(
  target: string,
  args: readonly string[],
  prompter: Prompter,
  via?: readonly string[],
  depth = 0,
): Promise<Link> {
  if (depth > mostHops)
    throw new ParaError('settings', 'ProxyJump leads in a circle, or over too many hosts', { where: target });
  const settings = await readSettings(target, args);
  const jumps = via ?? settings.proxyJump;
  if (jumps.length === 0) {
    const road = settings.proxyCommand === undefined ? dial(settings) : commandRoad(settings.proxyCommand);
    return logIn(settings, prompter, road);
  }
  // The arguments are about the last host; of them only the choice of the configuration is about all.
  const file = args.flatMap((word, i) => (word === '-F' && args[i + 1] ? ['-F', args[i + 1]!] : []));
  const before = jumps.slice(0, -1);
  const last = jumps.at(-1)!;
  const url = last.startsWith('ssh://') || !/:\d+$/.test(last) ? last : `ssh://${last}`;
  const jump = await openLink(url, file, prompter, before.length > 0 ? before : undefined, depth + 1);
  try {
    const stream = await new Promise<Duplex>((resolve, reject) => {
      jump.client.forwardOut('127.0.0.1', 0, settings.hostName, settings.port, (error, channel) =>
        error ? reject(error) : resolve(channel),
      );
      jump.lost.then((cause) => reject(cause ?? new Error('the jump host ended the connection')));
    });
    return await logIn(settings, prompter, { stream, close: () => jump.close() });
  } catch (cause) {
    jump.close();
    if (cause instanceof ParaError) throw cause;
    throw new ParaError('host', 'The jump host does not reach the next host', {
      where: `${jump.settings.alias} to ${settings.hostName}:${settings.port}: ${(cause as Error).message}`,
      hint: 'check name and port as they are seen from the jump host, and whether it forwards at all',
      cause,
    });
  }
}

/** What the user's settings leave of what this client can do. @throws ParaError `login` where that is nothing */
function algorithmsFor(settings: HostSettings): ConnectConfig['algorithms'] & {} {
  const { kex, ciphers, macs } = settings.algorithms;
  const pick = (own: readonly string[], allowed: readonly string[] | undefined) =>
    own.filter((name) => allowed?.includes(name) ?? true);
  const left = {
    serverHostKey: hostKeyAlgorithms(settings, supported.hostKeys),
    kex: pick(supported.kex, kex),
    cipher: pick(supported.ciphers, ciphers),
    hmac: pick(supported.macs, macs),
  };
  for (const [name, list] of Object.entries(left))
    if (list.length === 0)
      // ssh2 would take its own list for an empty one
      throw new ParaError(
        'login',
        'The SSH configuration of this host allows no algorithm that is known here',
        {
          where: `${settings.alias}: ${name}`,
          hint: 'choose the transport "openssh" for this host',
        },
      );
  return left as ConnectConfig['algorithms'] & {};
}

function logIn(settings: HostSettings, prompter: Prompter, road: Road): Promise<Link> {
  const { aliveInterval, aliveCount } = settings;
  const client = new ssh2.Client();
  return new Promise<Link>((resolve, reject) => {
    let reason: Error | undefined;
    let isReady = false;
    let isOver = false;
    let accepted: Buffer | undefined;
    let watch: NodeJS.Timeout | undefined;
    let tellLost: (reason: Error | undefined) => void = () => {};
    const lost = new Promise<Error | undefined>((done) => {
      tellLost = done;
    });
    const end = (cause?: Error) => {
      if (isOver) return;
      isOver = true;
      reason ??= cause;
      deadline.end();
      clearInterval(watch);
      client.end();
      client.destroy();
      road.close();
      tellLost(reason);
      if (!isReady) reject(reason ?? new Error('Connection lost before the login was complete'));
    };
    const deadline = new Deadline(settings.connectTimeout, () => end(new Error('Connection timed out')));
    const asking = deadline.patient(prompter);
    const login = new Login(
      settings,
      asking,
      (waiting) => deadline.pause(waiting),
      () => accepted,
    );

    client.on('error', (error: Error & { level?: string }) => {
      // A key that could not sign: the next one is tried.
      if (error.level !== 'agent') end(error);
    });
    client.on('close', () => end());
    client.on('end', () => end());
    client.on('change password', () =>
      end(
        new ParaError('login', 'The password on the host has run out', {
          where: `${settings.user}@${settings.hostName}`,
          hint: 'log in once with ssh in a terminal and change it',
        }),
      ),
    );
    client.on('ready', () => {
      deadline.end();
      login.keepSecrets();
      isReady = true;
      // Any byte is a sign of life: an answer to a ping may wait behind much data on a slow link. Turns are counted,
      // not time: a process that was held up itself has yet to read what came.
      let silent = 0;
      road.stream.on('data', () => {
        silent = 0;
      });
      watch = setInterval(() => {
        if (++silent > aliveCount)
          end(new Error(`Connection timed out: nothing heard for ${(silent * aliveInterval) / 1000} s`));
      }, aliveInterval);
      watch.unref();
      resolve({ settings, client, lost, close: () => end() });
    });

    try {
      client.connect({
        sock: road.stream as ConnectConfig['sock'] & Duplex,
        username: settings.user,
        readyTimeout: 0,
        keepaliveInterval: aliveInterval,
        keepaliveCountMax: Number.MAX_SAFE_INTEGER, // we judge ourselves, above
        algorithms: algorithmsFor(settings),
        hostVerifier: (key: Buffer, verify: (isRight: boolean) => void) => {
          if (accepted?.equals(key)) return verify(true); // keys of the session are renewed now and then
          checkHostKey(settings, key, asking).then(
            () => {
              deadline.restart();
              accepted = Buffer.from(key);
              verify(true);
            },
            (refused: Error) => {
              reason = refused;
              verify(false);
              end(refused);
            },
          );
        },
        authHandler: (left: string[] | null, accepted: boolean | null, next: (method: unknown) => void) => {
          deadline.restart();
          login.next(left, accepted ?? false).then(
            async (method) => {
              if (!method) reason = await login.refusal();
              next(method);
            },
            (cause: Error) => end(cause),
          );
        },
      } as ConnectConfig);
    } catch (cause) {
      end(cause as Error);
    }
  });
}
