import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import type { HostProfile } from '../profiles.ts';
import { shellLine } from '../quote.ts';
import { startChild } from './child.ts';
import type { Channel, Transport } from './transport.ts';

/** The system's `ssh`: the user's own configuration, keys, agents and known hosts, one connection for all channels. */
export class OpenSshTransport implements Transport {
  readonly #profile: HostProfile;
  readonly #control: string;
  readonly #args: string[];

  constructor(profile: HostProfile) {
    this.#profile = profile;
    const folder = join(tmpdir(), `para-ssh-${userInfo().uid}`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    const key = `${process.pid} ${profile.name} ${profile.target}`;
    this.#control = join(folder, createHash('sha256').update(key).digest('hex').slice(0, 16));
    const options = {
      ControlMaster: 'auto',
      ControlPath: this.#control,
      ControlPersist: '30',
      ServerAliveInterval: '10',
      ServerAliveCountMax: '3',
      ConnectTimeout: '15',
      // Stronger than a "no" in the user's file: an unknown key is asked about, a changed one refused.
      StrictHostKeyChecking: 'ask',
      ClearAllForwardings: 'yes',
      RequestTTY: 'no',
      // Without a terminal nobody could answer: fail instead of waiting.
      ...(process.stdin.isTTY ? {} : { BatchMode: 'yes' }),
    };
    this.#args = [
      ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
      ...(profile.sshArguments ?? []),
    ];
  }

  async run(words: readonly string[]): Promise<Channel> {
    return startChild('ssh', [...this.#args, '--', this.#profile.target!, shellLine(words)]);
  }

  explain(channel: Channel, code: number | null): ParaError {
    return sshError(this.#profile, channel.errors(), code);
  }

  close(): void {
    spawn('ssh', [...this.#args, '-O', 'exit', '--', this.#profile.target!], { stdio: 'ignore' }).on(
      'error',
      () => {},
    );
  }
}

/** What `ssh` said, in words that say what to do. */
export function sshError({ target, name }: HostProfile, said: string, code: number | null): ParaError {
  const known: [RegExp, string, string][] = [
    [
      /REMOTE HOST IDENTIFICATION HAS CHANGED/,
      'The host shows another key than the one known: somebody may be in between, or it was set up anew',
      `ask whoever runs it for its fingerprint; only if the new one is right: ssh-keygen -R, then ssh ${target}`,
    ],
    [/REVOKED HOST KEY/, 'The key of this host is marked as revoked', 'do not connect; ask whoever runs it'],
    [
      /Host key verification failed|No .* host key is known/,
      'The key of this host is not known yet',
      `run "ssh ${target}" once in a terminal, compare the fingerprint, answer yes`,
    ],
    [
      /Permission denied|Too many authentication failures/,
      'The host refused the login',
      `see that "ssh ${target}" works; name the key with -i`,
    ],
    [/Could not resolve hostname/, 'There is no machine of this name', 'check the name, or the VPN'],
    [/Connection refused/, 'Nothing answers on this port of the host', 'check the port; is sshd running?'],
    [
      /timed out|No route to host|Network is unreachable/,
      'The host cannot be reached',
      'check network, VPN, firewall',
    ],
    [/ENOENT|not found on this/, 'There is no "ssh" program here', 'install the OpenSSH client'],
  ];
  const text = said.trim();
  for (const [pattern, what, hint] of known)
    if (pattern.test(text))
      return new ParaError(/key|login/.test(what) ? 'login' : 'host', what, {
        where: `${name}: ${text.slice(-600)}`,
        hint,
      });
  return new ParaError('host', `The connection to the host ended (${code ?? 'killed'})`, {
    where: `${name}: ${text.slice(-600)}`,
  });
}
