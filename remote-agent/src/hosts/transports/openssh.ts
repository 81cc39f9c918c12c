import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { ParaError } from '../../common/errors.ts';
import type { HostProfile } from '../profiles.ts';
import { nobody, type Prompter } from '../prompter.ts';
import { shellLine } from '../quote.ts';
import { dumpSettings } from '../ssh/settings.ts';
import type { RawSettings } from '../ssh/settings-files.ts';
import { AskPass } from './askpass.ts';
import { startChild } from './child.ts';
import { hostError } from './explain.ts';
import type { Channel, Transport } from './transport.ts';

/** In s. A link counts as dead after three turns of silence, as `ssh` has it by itself. */
const limits = { ServerAliveInterval: 10, ConnectTimeout: 15 };

/** The system's `ssh`: the user's own configuration, keys, agents and known hosts, one connection for all channels. */
export class OpenSshTransport implements Transport {
  readonly #profile: HostProfile;
  readonly #args: string[];
  readonly #askPass: AskPass | undefined;
  readonly #channels = new Set<Channel>();
  #gaveUp = false;
  #closed = false;
  #chosen: Promise<readonly string[]> | undefined;

  /** @throws ParaError `disk` where no folder for the connection can be had */
  constructor(profile: HostProfile, prompter: Prompter) {
    this.#profile = profile;
    const isWindows = process.platform === 'win32';
    // A name of its own: closing this transport ends no other's connection.
    const stem = join(isWindows ? '' : privateFolder(), `${process.pid}-${randomBytes(4).toString('hex')}`);
    const to = [...(profile.sshArguments ?? []), profile.target].join(' ');
    const canAsk = prompter !== nobody && !isWindows;
    if (canAsk) this.#askPass = new AskPass(stem, prompter, to, () => this.#giveUp());
    const options = {
      ...(isWindows ? {} : { ControlMaster: 'auto', ControlPath: stem, ControlPersist: '30' }),
      // Servers lock an account out after three wrong passwords and more.
      NumberOfPasswordPrompts: '2',
      ClearAllForwardings: 'yes',
      RequestTTY: 'no',
      // Where nobody can answer: fail instead of waiting.
      ...(canAsk ? {} : { BatchMode: 'yes' }),
    };
    this.#args = [
      ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
      ...(profile.sshArguments ?? []),
    ];
  }

  async run(words: readonly string[]): Promise<Channel> {
    const asking = await this.#askPass?.environment();
    const args = [...this.#args, ...(await this.#choices())];
    const channel = startChild('ssh', [...args, '--', this.#profile.target!, shellLine(words)], {
      env: { ...process.env, ...asking },
    });
    this.#channels.add(channel);
    channel.exit.then((code) => {
      this.#channels.delete(channel);
      // In ssh's own words; a program on the host may be denied something, too.
      if (code === 255 && /Permission denied \(|Too many authentication failures/.test(channel.errors()))
        this.#askPass?.refused();
    });
    if (this.#closed) channel.kill();
    return channel;
  }

  /** Options that follow from the user's own configuration. @throws ParaError `login` */
  #choices(): Promise<readonly string[]> {
    const { target, sshArguments } = this.#profile;
    this.#chosen ??= dumpSettings(target!, sshArguments).then(
      async (settings) => {
        const file = sshArguments?.indexOf('-F') ?? -1;
        await checkHops(settings, file < 0 ? [] : sshArguments!.slice(file, file + 2));
        return [...timeLimits(settings), ...(refusesUnknown(settings) ? [] : askAboutKeys)];
      },
      // What is wrong with it is told by the connection itself.
      () => askAboutKeys,
    );
    return this.#chosen;
  }

  #giveUp(): void {
    this.#gaveUp = true;
    for (const channel of this.#channels) channel.kill();
  }

  explain(channel: Channel, code: number | null): ParaError {
    if (this.#gaveUp)
      return new ParaError('login', 'The login needs an answer that was not given', {
        where: this.#profile.name,
        hint: 'connect once in a terminal, or set up a key: ssh-copy-id',
      });
    return hostError(this.#profile, channel.errors(), code);
  }

  close(): void {
    this.#closed = true;
    this.#askPass?.close();
    // One that still logs in is not yet the master's to end.
    for (const channel of this.#channels) channel.kill();
    spawn('ssh', [...this.#args, '-O', 'exit', '--', this.#profile.target!], { stdio: 'ignore' }).on(
      'error',
      () => {},
    );
  }
}

/** Time limits for what the user's own configuration leaves without one: a dead link must be noticed. */
const timeLimits = (settings: RawSettings): string[] =>
  Object.entries(limits).flatMap(([name, value]) =>
    ['0', 'none', undefined].includes(settings.get(name.toLowerCase())?.[0])
      ? ['-o', `${name}=${value}`]
      : [],
  );

/** Stronger than a "no" in the user's file: an unknown key is asked about, a changed one refused. */
const askAboutKeys = ['-o', 'StrictHostKeyChecking=ask'];

const checking = (settings: RawSettings) =>
  settings.get('stricthostkeychecking')?.[0]?.toLowerCase() ?? 'ask';
const refusesUnknown = (settings: RawSettings) => ['yes', 'true'].includes(checking(settings));

/**
 * Refuses a way over a host whose key would be taken unseen: `ssh` hands options of its command line to no other `ssh`
 * that it starts for a hop.
 * @param file `-F` and its value, which it does hand on
 * @throws ParaError `login`
 */
async function checkHops(
  settings: RawSettings,
  file: readonly string[],
  seen = new Set<string>(),
): Promise<void> {
  const hops = settings.get('proxyjump')?.[0] ?? 'none';
  if (hops === 'none') return;
  for (const hop of hops.split(',').map((name) => name.trim())) {
    if (seen.has(hop)) continue;
    seen.add(hop);
    // A hop that has no readable settings is told of by the connection itself.
    const own = await dumpSettings(`ssh://${hop.replace(/^ssh:\/\//, '')}`, file).catch(() => undefined);
    if (!own) continue;
    if (checking(own) !== 'ask' && !refusesUnknown(own))
      throw new ParaError('login', 'The key of a host on the way would be taken unseen', {
        where: hop,
        hint: `in the SSH configuration, set "StrictHostKeyChecking ask" for ${hop}, or choose the transport "ssh2" for this host`,
      });
    await checkHops(own, file, seen);
  }
}

/** A folder for sockets that nobody else can enter; short, for a socket's path is. */
function privateFolder(): string {
  const folder = join(tmpdir(), `para-ssh-${userInfo().uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (uid !== userInfo().uid || (mode & 0o170777) !== 0o040700)
    throw new ParaError(
      'disk',
      'The folder for SSH connections belongs to somebody else, or is open to others',
      {
        where: folder,
        hint: 'delete it',
      },
    );
  // What a process that was killed left; a master it left ends by itself.
  for (const name of readdirSync(folder)) {
    const pid = /^(\d+)-\w+\.(sh|ask)$/.exec(name)?.[1];
    if (pid && !isRunning(Number(pid))) rmSync(join(folder, name), { force: true });
  }
  return folder;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
