import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { printable } from '../../protocol/printable.ts';
import { forgetSecret, isLasting, keepSecret, keptSecret } from '../kept-secrets.ts';
import type { Prompter } from '../prompter.ts';
import { shellLine } from '../quote.ts';

/** What `ssh` runs to ask: hands the question to the socket and prints the answer; fails where there is none. */
const helper = [
  'const socket = require("net").connect(process.argv[1]);',
  'let answer = "";',
  'socket.on("error", () => process.exit(1));',
  'socket.on("data", (part) => { answer += part; });',
  'socket.on("end", () => { if (answer) process.stdout.write(JSON.parse(answer) + "\\u000a"); else process.exit(1); });',
  'socket.end(JSON.stringify({ prompt: process.argv[2], kind: process.env.SSH_ASKPASS_PROMPT }));',
].join(' ');

const keyTypes: Record<string, string> = { ED25519: 'ssh-ed25519', RSA: 'ssh-rsa', ECDSA: 'ecdsa-sha2' };

/** Answers the questions of the system's `ssh` through a Prompter: it asks a small program, which asks us. */
export class AskPass {
  readonly #prompter: Prompter;
  readonly #script: string;
  readonly #socket: string;
  readonly #server: Server;
  readonly #onGivenUp: () => void;
  /** Where `ssh` is to log in, in its own words. */
  readonly #to: string;
  /** Lasting secrets that were asked for on this connection. */
  readonly #asked = new Set<string>();
  readonly #ready: Promise<void>;

  /**
   * @param stem path in a folder that nobody else can enter; names of files are made of it
   * @param to where `ssh` is to log in, in its own words
   * @param onGivenUp called when a question is not answered: `ssh` would go on with an empty answer
   */
  constructor(stem: string, prompter: Prompter, to: string, onGivenUp: () => void) {
    this.#to = to;
    this.#prompter = prompter;
    this.#onGivenUp = onGivenUp;
    this.#socket = `${stem}.ask`;
    this.#script = `${stem}.sh`;
    const line = shellLine([process.execPath, '-e', helper, '--', this.#socket]);
    // In an editor this program is not Node by itself.
    writeFileSync(this.#script, `#!/bin/sh\nELECTRON_RUN_AS_NODE=1 exec ${line} "$1"\n`, { mode: 0o700 });
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
    this.#ready = new Promise((resolve) => this.#server.listen(this.#socket, resolve));
    this.#server.unref();
  }

  /** Variables that make `ssh` ask here. */
  async environment(): Promise<Record<string, string>> {
    await this.#ready;
    return {
      SSH_ASKPASS: this.#script,
      SSH_ASKPASS_REQUIRE: 'force',
      DISPLAY: process.env.DISPLAY ?? ':0', // older ones ask only where they see a display
    };
  }

  async #serve(socket: Socket): Promise<void> {
    socket.on('error', () => {});
    let asked = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      asked += part;
    });
    try {
      await once(socket, 'end');
      const { prompt, kind } = JSON.parse(asked) as { prompt: string; kind?: string };
      // A notice ("touch your key"): it stands until ssh ends it.
      if (kind === 'none') return;
      const answer = await this.#answer(prompt, kind === 'confirm');
      if (answer === undefined) this.#onGivenUp();
      socket.end(answer === undefined ? '' : JSON.stringify(answer));
    } catch {
      socket.destroy();
    }
  }

  async #answer(prompt: string, isYesOrNo: boolean): Promise<string | undefined> {
    const unknown =
      /authenticity of host '(\S+)[^']*' can't be established[\s\S]*?(\w+) key fingerprint is (SHA256:\S+?)\.?\s/.exec(
        prompt,
      );
    if (unknown) {
      const [, host, type, fingerprint] = unknown as unknown as [string, string, string, string];
      const question = { host: printable(host), keyType: keyTypes[type] ?? type, fingerprint };
      return (await this.#prompter.confirmHostKey(question)) ? 'yes' : 'no';
    }
    if (/\(yes\/no|'yes' or 'no'|'yes', 'no'/.test(prompt)) return 'no'; // nothing else is trusted
    const lines = printable(prompt)
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean);
    const label = lines.pop()?.replace(/:$/, '') ?? 'Answer';
    const fields = [{ label, echo: isYesOrNo }];
    const of = isLasting(label, isYesOrNo) ? `${this.#to} ${printable(prompt)}` : undefined;
    const known = of !== undefined && !this.#asked.has(of) ? keptSecret(of) : undefined;

    const [answer] =
      known === undefined
        ? ((await this.#prompter.ask({ title: lines.join(' ') || 'ssh asks', fields })) ?? [])
        : [known];
    if (of !== undefined && answer !== undefined) this.#note(of, answer);
    return isYesOrNo && answer !== 'yes' ? undefined : answer;
  }

  /** Keeps an answer, unless the same was asked twice: it was refused then, or is asked by two hosts of one name. */
  #note(of: string, answer: string): void {
    if (this.#asked.has(of)) forgetSecret(of);
    else keepSecret(of, answer);
    this.#asked.add(of);
  }

  /** The login was refused: what was kept is not tried again, lest an account is locked. */
  refused(): void {
    for (const of of this.#asked) forgetSecret(of);
  }

  close(): void {
    this.#server.close();
    for (const file of [this.#script, this.#socket]) rmSync(file, { force: true });
  }
}
