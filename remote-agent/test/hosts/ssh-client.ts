// The client's side of a test against a real SSH server: settings, keys and answers of its own.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { HostProfile } from '../../src/hosts/profiles.ts';
import type { HostKeyQuestion, Prompter, SecretQuestion } from '../../src/hosts/prompter.ts';
import type { Channel, Transport } from '../../src/hosts/transports/transport.ts';
import { makeKey, type Sshd } from './sshd.ts';

/** Answers as told, and remembers what it was asked. */
export class ScriptedPrompter implements Prompter {
  readonly hostKeys: HostKeyQuestion[] = [];
  readonly secrets: SecretQuestion[] = [];
  constructor(
    readonly trust = false,
    /** The answer to each field, by its place among all the fields that were asked. */
    readonly answers: readonly string[] = [],
  ) {}

  async confirmHostKey(question: HostKeyQuestion): Promise<boolean> {
    this.hostKeys.push(question);
    return this.trust;
  }

  async ask(question: SecretQuestion): Promise<readonly string[] | undefined> {
    const from = this.secrets.flatMap(({ fields }) => fields).length;
    this.secrets.push(question);
    const answers = question.fields.map((_, i) => this.answers[from + i]);
    return answers.includes(undefined) ? undefined : (answers as string[]);
  }
}

/** A folder with an SSH configuration, known hosts and a key. */
export class Client {
  #folder: string | undefined;
  #publicKey = '';
  #hosts = '';

  /** Made when it is asked for: a suite that does not run leaves nothing behind. */
  get folder(): string {
    if (!this.#folder) {
      this.#folder = mkdtempSync(join(tmpdir(), 'para-ssh-client-'));
      this.#publicKey = makeKey(this.key);
    }
    return this.#folder;
  }
  get config(): string {
    return join(this.folder, 'config');
  }
  get known(): string {
    return join(this.folder, 'known_hosts');
  }
  get key(): string {
    return join(this.folder, 'key');
  }
  get publicKey(): string {
    return this.folder && this.#publicKey;
  }

  /** Adds a host to the configuration: the server under a name, with further lines. */
  host(name: string, sshd: Sshd, ...lines: string[]): this {
    const all = [
      `Host ${name}`,
      ...lines,
      'HostName 127.0.0.1',
      `Port ${sshd.port}`,
      `User ${sshd.user}`,
      ...(lines.some((line) => line.startsWith('IdentityFile')) ? [] : [`IdentityFile ${this.key}`]),
      `UserKnownHostsFile ${this.known}`,
      'GlobalKnownHostsFile none',
      'IdentityAgent none',
      'IdentitiesOnly yes',
    ];
    this.#hosts += `${all.join('\n  ')}\n`;
    writeFileSync(this.config, this.#hosts);
    return this;
  }

  /** Forgets all hosts of the configuration. */
  reset(): this {
    this.#hosts = '';
    return this;
  }

  trust(...lines: string[]): this {
    writeFileSync(this.known, lines.map((line) => `${line}\n`).join(''));
    return this;
  }

  knownHosts(): string {
    return readFileSync(this.known, 'utf8');
  }

  profile(name: string, transport: HostProfile['transport'] = 'ssh2', ...args: string[]): HostProfile {
    return {
      name,
      transport,
      target: name,
      sshArguments: ['-F', this.config, ...args],
      root: '.para-studio',
    };
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  remove(): void {
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Runs a program to its end. */
export async function output(
  transport: Transport,
  words: readonly string[],
  input = '',
): Promise<{ out: string; code: number | null; channel: Channel }> {
  const channel = await transport.run(words);
  channel.stdin.end(input);
  let out = '';
  for await (const part of channel.stdout) out += part;
  return { out, code: await channel.exit, channel };
}

/** Starts a real key agent that holds these keys; it ends with the test at the latest. */
export async function startAgent(socket: string, ...keys: string[]): Promise<() => void> {
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => {
    agent.kill();
  });
  await once(agent.stdout, 'data'); // it says where it listens once it does
  agent.stdout.resume();
  execFileSync('ssh-add', ['-q', ...keys], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'pipe' });
  return () => agent.kill();
}
