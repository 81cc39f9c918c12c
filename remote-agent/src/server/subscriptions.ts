import type { JobInfo } from '../protocol/contract.ts';
import type { WireEvent } from '../protocol/events.ts';
import { Tail } from './tail.ts';

/** How often a log is looked at, in ms. Not by change notification: that fails silently on network file systems. */
const lookEvery = 20;

type Send = (notice: { subscription: number; events: WireEvent[]; job?: JobInfo }) => Promise<void>;

/** The running subscriptions of one client. Each sends only as fast as its client takes. */
export class Subscriptions {
  #count = 0;
  readonly #running = new Map<number, { stopped: boolean }>();

  constructor(
    readonly send: Send,
    readonly infoOf: (directory: string) => JobInfo,
  ) {}

  start(
    directory: string,
    fromSeq: number,
    last: string | undefined,
  ): { subscription: number; restarted: boolean } {
    const restarted = fromSeq > 1 && last !== undefined && this.#timeOf(directory, fromSeq - 1) !== last;
    const subscription = ++this.#count;
    const control = { stopped: false };
    this.#running.set(subscription, control);
    // After the answer to the request, so that the client knows the number before its first events.
    setImmediate(() => {
      this.#run(subscription, control, directory, restarted ? 1 : fromSeq).catch(() =>
        this.stop(subscription),
      );
    });
    return { subscription, restarted };
  }

  stop(subscription: number): void {
    const control = this.#running.get(subscription);
    if (control) control.stopped = true;
    this.#running.delete(subscription);
  }

  stopAll(): void {
    for (const subscription of [...this.#running.keys()]) this.stop(subscription);
  }

  #timeOf(directory: string, seq: number): string | undefined {
    const tail = new Tail(directory);
    try {
      for (let events = tail.next(); events.length > 0; events = tail.next())
        for (const event of events) if (event.seq === seq) return event.time;
      return undefined;
    } finally {
      tail.close();
    }
  }

  async #run(
    subscription: number,
    control: { stopped: boolean },
    directory: string,
    fromSeq: number,
  ): Promise<void> {
    const tail = new Tail(directory);
    let told = '';
    let looked = 0;
    try {
      while (!control.stopped) {
        // Read before the events: a state told after them is never older than they are.
        const found = tail.next();
        const events = found.filter((e) => e.seq >= fromSeq);
        const idle = found.length === 0;
        let job: JobInfo | undefined;
        if (idle && Date.now() - looked > 200) {
          looked = Date.now();
          const info = this.infoOf(directory);
          // An event that was written between the two looks goes first.
          const late = tail.next().filter((e) => e.seq >= fromSeq);
          events.push(...late);
          if (late.length === 0 && JSON.stringify(info) !== told) {
            job = info;
            told = JSON.stringify(info);
          }
        }
        if (events.length > 0 || job) await this.send({ subscription, events, ...(job ? { job } : {}) });
        await new Promise((resume) => (idle ? setTimeout(resume, lookEvery) : setImmediate(resume)));
      }
    } finally {
      tail.close();
    }
  }
}
