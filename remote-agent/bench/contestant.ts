import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { failure } from './last-words.ts';

/** What a side says when it has loaded its case. */
export interface Ready {
  readonly library?: string;
  readonly emptyBytes: number;
}

/** What it says at its end; further figures are those of its kind. */
export interface End {
  readonly peakBytes: number;
  readonly devicePeakBytes?: number;
}

/** A program that runs its case as often as it is asked to, and says how long each took (tools/bench/turns.py). */
export class Contestant {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #ended: Promise<readonly [number | null, NodeJS.Signals | null]>;
  #complained = '';
  readonly times: number[] = [];
  ready: Ready = { emptyBytes: 0 };

  constructor(command: readonly string[], env: NodeJS.ProcessEnv) {
    const [program, ...args] = command;
    this.#child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
    this.#child.stderr!.on('data', (text) => {
      this.#complained = (this.#complained + text).slice(-20_000);
    });
    // A side that is gone does not read; that it is gone is told by the lines that it does not say.
    this.#child.stdin!.on('error', () => {});
    this.#ended = new Promise((done) => {
      this.#child.on('error', (cause) => {
        this.#complained += cause.message;
        done([null, null]);
      });
      this.#child.on('close', (code, signal) => done([code, signal]));
    });
    this.#reader = createInterface({ input: this.#child.stdout! });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The next line that is JSON: libraries may say things of their own. */
  async #said<T>(): Promise<T> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done)
        throw failure(this.#child.spawnargs.slice(0, 5).join(' '), ...(await this.#ended), this.#complained);
      if (value.startsWith('{')) return JSON.parse(value) as T;
    }
  }

  async start(): Promise<void> {
    this.ready = await this.#said<Ready>();
  }

  async run(count: number): Promise<readonly number[]> {
    this.#child.stdin!.write(`${count}\n`);
    return (await this.#said<{ times: number[] }>()).times;
  }

  /** Ends the side; what it says of itself then. */
  async end<E extends End>(): Promise<E> {
    this.#child.stdin!.end();
    return this.#said<E>();
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
