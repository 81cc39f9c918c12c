import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import type { LoggedEvent } from '../jobs/event-log.ts';
import { jobFiles } from '../jobs/job.ts';
import { toWire } from '../jobs/wire.ts';
import type { WireEvent } from '../protocol/events.ts';

/** Events a notification carries at most. */
const batchSize = 500;

/** Reads an event log as it grows, whole lines only. The log on the disk is the only memory: nothing is buffered. */
export class Tail {
  readonly #path: string;
  readonly #directory: string;
  #fd: number | undefined;
  #offset = 0;

  constructor(directory: string) {
    this.#directory = directory;
    this.#path = jobFiles(directory).events;
  }

  /** The next events, at most a batch; empty where nothing new is there. */
  next(): WireEvent[] {
    if (this.#fd === undefined) {
      if (!existsSync(this.#path)) return [];
      this.#fd = openSync(this.#path, 'r');
    }
    const chunk = Buffer.alloc(128 << 10);
    const length = readSync(this.#fd, chunk, 0, chunk.length, this.#offset);
    const events: WireEvent[] = [];
    let at = 0;
    for (let end = chunk.indexOf(10); end >= 0 && end < length; end = chunk.indexOf(10, at)) {
      try {
        events.push(toWire(JSON.parse(chunk.toString('utf8', at, end)) as LoggedEvent, this.#directory));
      } catch {
        // The torn end of a power cut: the trainer cuts it off when it resumes.
        break;
      }
      at = end + 1;
      if (events.length === batchSize) break;
    }
    this.#offset += at;
    return events;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
