import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { ParaError } from '../../common/errors.ts';
import type { HostProfile } from '../profiles.ts';
import { shellLine } from '../quote.ts';
import { startChild } from './child.ts';
import { hostError } from './explain.ts';
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
    return hostError(this.#profile, channel.errors(), code);
  }

  close(): void {
    spawn('ssh', [...this.#args, '-O', 'exit', '--', this.#profile.target!], { stdio: 'ignore' }).on(
      'error',
      () => {},
    );
  }
}
