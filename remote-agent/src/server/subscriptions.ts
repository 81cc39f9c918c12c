import { ParaError } from '../common/errors.ts';
import type { LoggedEvent } from '../jobs/event-log.ts';
import { jobFiles } from '../jobs/job.ts';
import { Tail } from '../jobs/tail.ts';
import { toWire } from '../jobs/wire.ts';
import type { JobInfo } from '../protocol/contract.ts';
import type { WireEvent } from '../protocol/events.ts';

/**
 * How often a log is looked at, in ms: while its job runs, and else. Not by change notification: that fails silently
 * on network file systems.
 */
const lookEvery = { running: 20, else: 200 };

/** How often the state of a job is looked at while its log is silent, in ms. */
const stateEvery = 200;

/** Subscriptions a client may have at once. */
const most = 256;

interface Notice {
  readonly subscription: number;
  readonly events: WireEvent[];
  readonly job?: JobInfo;
  readonly ended?: true;
}

/** The running subscriptions of one client. Each sends only as fast as its client takes. */
export class Subscriptions {
  #count = 0;
  readonly #running = new Map<number, { stopped: boolean }>();

  constructor(
    readonly send: (notice: Notice) => Promise<void>,
    readonly infoOf: (directory: string) => JobInfo,
  ) {}

  /** @throws ParaError `protocol` when there are too many */
  start(
    directory: string,
    fromSeq: number,
    last: string | undefined,
  ): { subscription: number; restarted: boolean } {
    if (this.#running.size >= most)
      throw new ParaError('protocol', `There are ${most} subscriptions already`, {
        hint: 'end those that are not needed any more',
      });
    const tail = new Tail(jobFiles(directory).events);
    let restarted = false;
    if (fromSeq > 1) {
      const before = tail.seek(fromSeq - 1);
      restarted = last !== undefined && (before?.seq !== fromSeq - 1 || before.time !== last);
      tail.seek(restarted ? 1 : fromSeq);
    }
    const subscription = ++this.#count;
    const control = { stopped: false };
    this.#running.set(subscription, control);
    // After the answer to the request, so that the client knows the number before its first events.
    setImmediate(() => {
      this.#run(subscription, control, directory, tail, restarted ? 1 : fromSeq)
        .catch(() => {})
        .finally(() => {
          tail.close();
          this.stop(subscription);
        });
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

  async #run(
    subscription: number,
    control: { stopped: boolean },
    directory: string,
    tail: Tail,
    fromSeq: number,
  ): Promise<void> {
    const wanted = (found: readonly LoggedEvent[]) =>
      found.filter((event) => event.seq >= fromSeq).map((event) => toWire(event, directory));
    let told = '';
    let looked = 0;
    let running = false;
    while (!control.stopped) {
      const found = tail.next();
      const events = wanted(found);
      const idle = found.length === 0;
      let job: JobInfo | undefined;
      if (idle && Date.now() - looked > stateEvery) {
        looked = Date.now();
        const info = this.#infoOf(directory);
        if (!info) return this.send({ subscription, events: [], ended: true });
        running = info.state === 'running';
        // Events that were written between the two looks go first: a state is never told before what led to it.
        events.push(...wanted(tail.next()));
        if (events.length === 0 && JSON.stringify(info) !== told) {
          job = info;
          told = JSON.stringify(info);
        }
      }
      if (events.length > 0 || job) await this.send({ subscription, events, ...(job ? { job } : {}) });
      await new Promise((resume) =>
        idle ? setTimeout(resume, running ? lookEvery.running : lookEvery.else) : setImmediate(resume),
      );
    }
  }

  /** `undefined` when the job was deleted. */
  #infoOf(directory: string): JobInfo | undefined {
    try {
      return this.infoOf(directory);
    } catch (cause) {
      if (cause instanceof ParaError || (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw cause;
    }
  }
}
