import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { type Noised, type NoiseSettings, noised, type Shown } from './noised.ts';

/** What the thread is begun with. */
export interface NoiseThread {
  readonly settings: NoiseSettings;
  readonly port: MessagePort;
  /** Counts the answers. */
  readonly answers: Int32Array;
}

export interface NoiseAnswer {
  readonly step: number;
  readonly pass: number;
  readonly made: Noised;
}

/** How long an answer may take, in ms, before this thread makes it itself. */
const patience = 10_000;

/**
 * Makes the noise of the next forward pass in a thread of its own while the runtime blocks this one. What is asked for is
 * the same whoever makes it.
 */
export class NoiseAhead {
  readonly #settings: NoiseSettings;
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #answers = new Int32Array(new SharedArrayBuffer(4));
  #taken = 0;
  #asked: Pick<Shown, 'step' | 'pass'> | undefined;

  /** @param program path of the bundle of `noise-worker.ts` */
  constructor(settings: NoiseSettings, program: string) {
    const { port1, port2 } = new MessageChannel();
    this.#settings = settings;
    this.#port = port1;
    const workerData: NoiseThread = { settings, port: port2, answers: this.#answers };
    this.#worker = new Worker(program, { workerData, transferList: [port2] });
    this.#worker.unref();
    port1.unref();
  }

  /** Asks for the noise of a pass that comes later. */
  ask(shown: Shown): void {
    this.#asked = shown;
    this.#port.postMessage(shown);
  }

  /** The noise of a pass: the one that was asked for last, or made now. */
  take(shown: Shown): Noised {
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked?.step !== shown.step || asked.pass !== shown.pass) return noised(this.#settings, shown);
    for (;;) {
      const answer = receiveMessageOnPort(this.#port)?.message as NoiseAnswer | undefined;
      if (!answer) {
        if (Atomics.wait(this.#answers, 0, this.#taken, patience) === 'timed-out')
          return noised(this.#settings, shown);
        continue;
      }
      this.#taken++;
      if (answer.step === shown.step && answer.pass === shown.pass) return answer.made;
    }
  }

  async release(): Promise<void> {
    await this.#worker.terminate();
  }
}
