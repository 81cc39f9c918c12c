// A real agent process at the other end of a pipe, spoken to in raw bytes.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sentinel } from '../../src/protocol/version.ts';

export const agentBundle = fileURLToPath(new URL('../../dist/agent.js', import.meta.url));

export interface Answer {
  readonly id?: number | string | null;
  readonly result?: unknown;
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data?: { readonly code: string };
  };
  readonly method?: string;
  readonly params?: {
    readonly subscription: number;
    readonly events: { readonly seq: number }[];
    readonly job?: { readonly state: string };
    readonly ended?: boolean;
  };
}

export class RawAgent {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  #text = '';
  #said = '';
  #id = 0;
  #listening = true;
  readonly #waiting: { want: (answer: Answer) => boolean; resolve: (answer: Answer) => void }[] = [];
  readonly lines: Answer[] = [];

  constructor(home: string, ...args: string[]) {
    this.child = spawn(process.execPath, [agentBundle, 'serve', ...args], {
      env: { ...process.env, PARA_HOME: home },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdin!.on('error', () => {});
    this.child.stderr!.on('data', (part) => {
      this.#said += part;
    });
    this.exit = new Promise((resolve) => this.child.on('exit', resolve));
    this.child.stdout!.on('data', (part: Buffer) => this.#take(part.toString()));
  }

  /** What the agent printed on stderr; an agent that is well prints nothing. */
  get said(): string {
    return this.#said;
  }

  #take(part: string): void {
    this.#text += part;
    const lines = this.#text.split('\n');
    this.#text = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith('{')) continue;
      const answer = JSON.parse(line) as Answer;
      this.lines.push(answer);
      for (const waiter of [...this.#waiting])
        if (waiter.want(answer)) {
          this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
          waiter.resolve(answer);
        }
    }
  }

  raw(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => this.child.stdin!.write(bytes, () => resolve()));
  }

  /** The next answer that comes from now on and is as wanted. */
  next(want: (answer: Answer) => boolean): Promise<Answer> {
    return new Promise((resolve) => this.#waiting.push({ want, resolve }));
  }

  async ask(method: string, params?: unknown): Promise<Answer> {
    const id = `q${++this.#id}`;
    const answer = this.next((a) => a.id === id);
    await this.raw(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    return answer;
  }

  /** Greets, so that other requests are answered. */
  greet(client = 'test', newest = 1, oldest = 1): Promise<Answer> {
    return this.ask('handshake', { newest, oldest, client });
  }

  /** Stops, or goes on, taking what the agent says. */
  listen(on: boolean): void {
    if (on === this.#listening) return;
    this.#listening = on;
    if (on) this.child.stdout!.resume();
    else this.child.stdout!.pause();
  }

  async end(): Promise<number | null> {
    this.child.stdin!.end();
    return this.exit;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

export { sentinel };
