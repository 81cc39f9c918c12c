// A person at this machine with a home, a cache and a list of hosts of their own, and the `para` command to type.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { HostProfile } from '../../../src/hosts/profiles.ts';
import { HostSession } from '../../../src/hosts/session.ts';
import type { HostFacts } from '../../../src/protocol/contract.ts';
import type { Program } from './program.ts';

/** What a command said and how it ended; `null`: killed. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class Person {
  readonly home: string;
  readonly env: Record<string, string>;
  readonly #program: Program;

  /** @param path the PATH that programs of a `local` host see */
  constructor(folder: string, program: Program, path: string, registry: string) {
    this.home = join(folder, 'home');
    mkdirSync(this.home, { recursive: true });
    this.#program = program;
    this.env = {
      HOME: this.home,
      PATH: path,
      PARA_HOME: join(folder, 'para'),
      XDG_CACHE_HOME: join(folder, 'cache'),
      npm_config_registry: registry,
      PIP_INDEX_URL: registry,
      NO_COLOR: '1',
    };
  }

  /** Starts a command; `onOutput` sees all it printed so far, each time it prints. */
  start(args: readonly string[], onOutput: (out: string, child: ChildProcess) => void = () => {}) {
    const child = spawn(process.execPath, [this.#program.para, ...args], {
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (part: Buffer) => {
      out += part;
      onOutput(out, child);
    });
    child.stderr.on('data', (part: Buffer) => {
      err += part;
    });
    return new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, out, err })));
  }

  /** Runs a command to its end. @throws Error with all it said where the exit code is another */
  async run(args: readonly string[], code = 0): Promise<string> {
    const ended = await this.start(args);
    if (ended.code === code) return ended.out + ended.err;
    throw new Error(`para ${args.join(' ')}: ${ended.code}, not ${code}\n${ended.out}${ended.err}`);
  }

  /** Kills the command as soon as what it printed, or the world, is as told. @throws Error where it ends before */
  async killOnce(args: readonly string[], when: RegExp | (() => boolean)): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const { code, out, err } = await this.start(args, (said, child) => {
      if (when instanceof RegExp) {
        if (when.test(said)) child.kill('SIGKILL');
      } else timer ??= setInterval(() => when() && child.kill('SIGKILL'), 5);
    });
    clearInterval(timer);
    if (code !== null) throw new Error(`para ended (${code}) before ${when}\n${out}${err}`);
  }

  /** Asks the installed agent of a local host who it is. */
  async ask(root: string): Promise<HostFacts> {
    const profile: HostProfile = { name: 'asked', transport: 'local', root };
    const session = await HostSession.open(profile);
    try {
      return await session.call('host/facts', {});
    } finally {
      session.close();
    }
  }
}
