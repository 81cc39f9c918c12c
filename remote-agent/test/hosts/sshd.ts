// A real OpenSSH server on a high port of 127.0.0.1, with keys, settings and a home of its own.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { descendantsOf, killHard } from './processes.ts';
import { ThrowawayUser } from './throwaway-user.ts';

export type KeyType = 'ed25519' | 'ecdsa' | 'rsa';

export interface SshdOptions {
  /** Who logs in: whoever runs the tests, with a home of the test (default), or a user made for this (root only). */
  readonly user?: 'current' | 'throwaway';
  readonly password?: string;
  /** Default: ed25519. */
  readonly hostKeys?: readonly KeyType[];
  /** Shown before the login. */
  readonly banner?: string;
  /** The login shell's start-up file. */
  readonly bashrc?: string;
  /** Lines of `authorized_keys`. */
  readonly authorized?: readonly string[];
  /** Further lines of sshd_config; they go before ours, and the first word on a setting wins. */
  readonly config?: readonly string[];
  /** Asks PAM, with this stack of modules under a service name of the test's own (root only). */
  readonly pam?: string;
}

const program = '/usr/sbin/sshd';
const isRoot = process.getuid?.() === 0;

/** Why there can be no server here; `undefined` where there can. Under CI it is never excused. */
export const noSshd = existsSync(program) ? undefined : 'openssh-server is not installed';
/** Why users and PAM services cannot be made here. */
export const noUsers = noSshd ?? (isRoot ? undefined : 'only root can make a user');
/** For `describe.skipIf`: under CI nothing is skipped, what is missing fails. */
export const excused = (why: string | undefined): boolean => {
  if (why) console.error(`!!! Not run: ${why}`);
  return why !== undefined && !process.env.CI;
};

/** Makes a key pair at `path` and returns the public line. `format`: OpenSSH's own (default), PEM or PKCS8. */
export function makeKey(
  path: string,
  type: KeyType | 'rsa-4096' = 'ed25519',
  { passphrase = '', format = '', comment = 'test' } = {},
): string {
  const bits = type === 'rsa-4096' ? ['-b', '4096'] : type === 'rsa' ? ['-b', '2048'] : [];
  execFileSync('ssh-keygen', [
    ...['-q', '-t', type.split('-')[0]!, ...bits, '-N', passphrase, '-C', comment, '-f', path],
    ...(format ? ['-m', format] : []),
  ]);
  return readFileSync(`${path}.pub`, 'utf8').trim();
}

/** `SHA256:...` of a key file, by ssh-keygen. */
export const fingerprint = (path: string): string =>
  execFileSync('ssh-keygen', ['-lf', path], { encoding: 'utf8' }).split(' ')[1]!;

/** A port that is free, below those that the system gives to outgoing connections: it is needed again at a restart. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}

export class Sshd {
  #child: ChildProcess | undefined;
  #guard: ChildProcess | undefined;

  private constructor(
    /** Everything of this server lies here. */
    readonly folder: string,
    readonly home: string,
    readonly user: string,
    readonly port: number,
    readonly options: SshdOptions,
    readonly throwaway: ThrowawayUser | undefined,
    readonly pamFile: string | undefined,
  ) {}

  /** @throws Error where there is no sshd, or where options need root and we are not */
  static async start(options: SshdOptions = {}): Promise<Sshd> {
    const needsRoot = options.user === 'throwaway' || options.pam !== undefined;
    const why = needsRoot ? noUsers : noSshd;
    if (why) throw new Error(`No SSH server for this test: ${why}`);
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'para-sshd-')));
    chmodSync(folder, 0o755); // a throw-away user passes through
    const home = join(folder, 'home');
    mkdirSync(home, { mode: 0o700 });
    for (const type of options.hostKeys ?? ['ed25519'])
      makeKey(join(folder, `host_${type}`), type as KeyType);
    const throwaway = options.user === 'throwaway' ? new ThrowawayUser(home, options.password) : undefined;
    const name = `para-test-${randomBytes(4).toString('hex')}`; // PAM knows small letters only
    const pamFile = options.pam === undefined ? undefined : join('/etc/pam.d', name);
    const user = throwaway?.name ?? userInfo().username;
    const sshd = new Sshd(folder, home, user, await freePort(), options, throwaway, pamFile);
    sshd.#startGuard();
    if (pamFile) {
      writeFileSync(pamFile, `${options.pam}\n`);
      symlinkSync(program, join(folder, name)); // PAM's service is called as the program is
    }
    sshd.authorize(...(options.authorized ?? []));
    if (options.bashrc) writeFileSync(join(home, '.bashrc'), options.bashrc);
    if (options.banner) writeFileSync(join(folder, 'banner'), options.banner);
    if (isRoot) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 }); // where a root sshd locks itself up
    await sshd.restart();
    return sshd;
  }

  /** The listening process. @throws Error while it is halted */
  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('sshd is halted');
    return pid;
  }

  /** Adds lines to authorized_keys. */
  authorize(...lines: string[]): void {
    const path = join(this.folder, 'authorized_keys');
    const old = existsSync(path) ? readFileSync(path, 'utf8') : '';
    writeFileSync(path, old + lines.map((line) => `${line}\n`).join(''), { mode: 0o644 });
  }

  /** The line of a known_hosts file that is right for this server. */
  knownHost(type: KeyType = 'ed25519'): string {
    const [kind, key] = this.hostKey(type).split(' ');
    return `[127.0.0.1]:${this.port} ${kind} ${key}`;
  }

  hostKey(type: KeyType = 'ed25519'): string {
    return readFileSync(join(this.folder, `host_${type}.pub`), 'utf8').trim();
  }

  /** Gives the server another key of this type; takes effect at the next restart. */
  changeHostKey(type: KeyType = 'ed25519'): void {
    rmSync(join(this.folder, `host_${type}`));
    makeKey(join(this.folder, `host_${type}`), type);
  }

  /** What the server wrote to its log. */
  log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8');
  }

  /** Ends the server and every session, and starts it on the same port. */
  async restart(config: readonly string[] = this.options.config ?? []): Promise<void> {
    this.#killAll();
    writeFileSync(join(this.folder, 'sshd_config'), this.#settings(config));
    const command = this.pamFile ? join(this.folder, this.pamFile.split('/').at(-1)!) : program;
    const child = spawn(
      command,
      ['-D', '-f', join(this.folder, 'sshd_config'), '-E', join(this.folder, 'log')],
      { stdio: 'ignore' },
    );
    this.#child = child;
    const ended = new Promise<'ended'>((resolve) => {
      child.on('exit', () => resolve('ended'));
      child.on('error', () => resolve('ended'));
    });
    while (!(await answers(this.port)))
      if ((await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 20))])) === 'ended')
        throw new Error(`sshd did not start: ${this.log()}`);
  }

  #settings(config: readonly string[]): string {
    const { folder, home, options, throwaway } = this;
    return [
      ...config,
      `Port ${this.port}`,
      'ListenAddress 127.0.0.1',
      ...(options.hostKeys ?? ['ed25519']).map((type) => `HostKey ${join(folder, `host_${type}`)}`),
      `PidFile ${join(folder, 'pid')}`,
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      'StrictModes no', // the temporary folder belongs to everybody
      'PermitRootLogin yes',
      `UsePAM ${options.pam === undefined ? 'no' : 'yes'}`,
      'PrintMotd no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'LogLevel VERBOSE',
      ...(options.banner ? [`Banner ${join(folder, 'banner')}`] : []),
      // The home of whoever runs the tests is not touched: the session gets one of its own. Without SSH_CLIENT
      // the second bash does not read the start-up file again.
      ...(throwaway
        ? []
        : [
            `SetEnv HOME="${home}"`,
            `ForceCommand cd "$HOME" && exec env -u SSH_CLIENT "$SHELL" -c "$SSH_ORIGINAL_COMMAND"`,
          ]),
      '',
    ].join('\n');
  }

  /** Cuts every open session, as a crash or an administrator would; new ones are taken. */
  killSessions(): void {
    if (this.#child?.pid) for (const pid of descendantsOf(this.#child.pid)) killHard(pid);
  }

  #killAll(): void {
    const pid = this.#child?.pid;
    this.#child = undefined;
    if (pid === undefined) return;
    rmSync(join(this.folder, 'pid'), { force: true }); // the number may soon be another process's
    const sessions = descendantsOf(pid);
    killHard(pid);
    for (const session of sessions) killHard(session);
  }

  /** The server is gone, and may be started again. */
  halt(): void {
    this.#killAll();
  }

  /** Leaves nothing behind. */
  async stop(): Promise<void> {
    this.#killAll();
    await this.throwaway?.remove();
    this.#guard!.ref(); // until here nobody waited for it
    const gone = new Promise((resolve) => this.#guard!.on('exit', resolve));
    this.#guard!.stdin!.end();
    await gone;
  }

  /** Cleans up when its input ends: at `stop`, and just so when the tests are killed before that. */
  #startGuard(): void {
    const { folder, pamFile = '', throwaway } = this;
    const script =
      'cat >/dev/null; kill -9 "$(cat "$1/pid")"; rm -f "$2"; [ -z "$3" ] || userdel -f "$3"; rm -rf "$1"';
    this.#guard = spawn('sh', ['-c', script, 'guard', folder, pamFile, throwaway?.name ?? ''], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#guard.unref();
  }
}

/** Whether an SSH server greets on this port. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('data', (part) => {
      resolve(part.toString().startsWith('SSH-2.0'));
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
