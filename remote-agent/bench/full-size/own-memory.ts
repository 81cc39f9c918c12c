import { Worker } from 'node:worker_threads';

/** Reads the process's own pages while its main thread is held up by the runtime; the source of a worker. */
const watcher = `
const { readFileSync } = require('node:fs');
const { workerData } = require('node:worker_threads');
const most = new Float64Array(workerData.most);
const wait = new Int32Array(workerData.wait);
for (;;) {
  const kilobytes = Number(/RssAnon:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0);
  most[0] = Math.max(most[0], kilobytes * 1024);
  if (Atomics.wait(wait, 0, 0, 20) !== 'timed-out') break;
}
`;

/** Follows how much memory this process has for its own (pages of files not counted), every 20 ms. */
export class OwnMemory {
  readonly #most = new Float64Array(new SharedArrayBuffer(8));
  readonly #wait = new Int32Array(new SharedArrayBuffer(4));

  constructor() {
    const workerData = { most: this.#most.buffer, wait: this.#wait.buffer };
    new Worker(watcher, { eval: true, workerData }).unref();
  }

  /** The most since the last call, bytes; 0 where the system does not tell. */
  most(): number {
    const bytes = this.#most[0]!;
    this.#most[0] = 0;
    return bytes;
  }

  stop(): void {
    Atomics.store(this.#wait, 0, 1);
    Atomics.notify(this.#wait, 0);
  }
}
