// A host with this checkout's agent on it, as far as a launcher goes; and the `para` command as a person's process.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addHost, type HostProfile } from '../../src/hosts/profiles.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { makeKey, type Sshd } from './sshd.ts';

/** The project's folder, from here or from a bundle that this became a part of. */
export const checkout = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'remote-agent/package.json'))) folder = dirname(folder);
  return folder;
})();

/** Writes the file of a small subject. @returns its path */
export function robotSubject(folder: string, settings: object): string {
  const path = join(folder, 'robots.para.json');
  const pictures = [1, 2].map((i) => join(checkout, `examples/robot/robot-${i}.png`));
  const method = { layers: 'up_blocks.**.attn{1,2}.to_*' };
  writeFileSync(path, JSON.stringify({ pictures, class: 'robot', method, ...settings }));
  return path;
}

/** Puts the launcher of the built agent under `root`, the folder of everything on that host. */
export function placeAgent(root: string, { chatter = '' } = {}): void {
  const folder = join(root, 'agent/current');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'para-agent'),
    `${chatter}\nPARA_HOME='${root}' exec '${process.execPath}' '${checkout}/remote-agent/dist/agent.js' "$@"\n`,
  );
}

/** A host's profile in a client's home: how to reach `sshd`, with a key and a known_hosts of the test's own. */
export function sshHost(
  name: string,
  sshd: Sshd,
  home: string,
  transport: 'ssh2' | 'openssh' = 'openssh',
  /** Where it is reached, if not directly. */
  port = sshd.port,
): HostProfile {
  placeAgent(join(sshd.home, '.para-studio'));
  const folder = join(home, 'ssh', name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const key = join(folder, 'key');
  sshd.authorize(makeKey(key));
  writeFileSync(join(folder, 'known_hosts'), `${sshd.knownHost().replace(`:${sshd.port} `, `:${port} `)}\n`);
  writeFileSync(
    join(folder, 'config'),
    `Host ${name}\n  HostName 127.0.0.1\n  Port ${port}\n  User ${sshd.user}\n  IdentityFile ${key}\n  IdentitiesOnly yes\n  UserKnownHostsFile ${join(folder, 'known_hosts')}\n  GlobalKnownHostsFile none\n`,
  );
  return save(home, {
    name,
    transport,
    target: name,
    sshArguments: ['-F', join(folder, 'config')],
    root: '.para-studio',
  });
}

/** A host that is this machine, with a folder of its own. */
export function localHost(name: string, root: string, home: string): HostProfile {
  placeAgent(root);
  return save(home, { name, transport: 'local', root });
}

/** Opens sessions to a host; `close` ends all of them. */
export function sessionsTo(host: HostProfile): { open: () => Promise<HostSession>; close: () => void } {
  const sessions: HostSession[] = [];
  return {
    open: async () => {
      const session = await HostSession.open(host);
      sessions.push(session);
      return session;
    },
    close: () => {
      for (const session of sessions) session.close();
    },
  };
}

function save(home: string, profile: HostProfile): HostProfile {
  const before = process.env.PARA_HOME;
  process.env.PARA_HOME = home;
  try {
    addHost(profile);
  } finally {
    if (before === undefined) delete process.env.PARA_HOME;
    else process.env.PARA_HOME = before;
  }
  return profile;
}

/** The `para` command in a process of its own, with `home` as its PARA_HOME. */
export class Para {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly done: Promise<number | null>;

  /** @param options another `para` than this checkout's, and what it finds in its environment */
  constructor(
    home: string,
    args: readonly string[],
    { para = join(checkout, 'remote-agent/bin/para.js'), env = {} as NodeJS.ProcessEnv } = {},
  ) {
    this.child = spawn(process.execPath, [para, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env, PARA_HOME: home, NO_COLOR: '1' },
      cwd: dirname(home),
    });
    this.child.stdout!.on('data', (part) => {
      this.stdout += part;
    });
    this.child.stderr!.on('data', (part) => {
      this.stderr += part;
    });
    this.done = new Promise((resolve) => this.child.on('close', resolve));
  }

  /** Runs to its end; throws with all it said where its exit code is another than `code`. */
  static async run(home: string, args: readonly string[], code = 0): Promise<string> {
    const para = new Para(home, args);
    const got = await para.done;
    if (got !== code)
      throw new Error(`para ${args.join(' ')} ended with ${got}, not ${code}:\n${para.stdout}${para.stderr}`);
    return para.stdout;
  }

  /** Events printed so far with `--json`. */
  get events(): { seq: number; type: string; step?: number }[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  }

  /** Waits until the command has shown a step. @throws Error where it ends before */
  untilStep(step: number): Promise<void> {
    return this.until(() => this.events.some((e) => e.type === 'step' && e.step! >= step));
  }

  /** Waits until something is so. @throws Error where the command ends before */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      const over = await Promise.race([this.done, new Promise<'on'>((go) => setTimeout(() => go('on'), 20))]);
      if (over !== 'on') throw new Error(`para ended early (${over}):\n${this.stdout}${this.stderr}`);
    }
  }
}
