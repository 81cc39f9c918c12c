import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import type { LoggedEvent } from './event-log.ts';

/** Events given at once. */
const batchSize = 500;

/** Bytes read at once, and at most for one line. */
const chunkBytes = 64 << 10;
const mostBytes = 4 << 20;

/** Reads an event log as it grows, whole lines only. The log on the disk is the only memory: nothing is buffered. */
export class Tail {
  readonly #path: string;
  #chunk = Buffer.alloc(chunkBytes);
  #fd: number | undefined;
  #offset = 0;

  /** @param path of an `events.jsonl` that may come to be later */
  constructor(path: string) {
    this.#path = path;
  }

  #open(): number | undefined {
    if (this.#fd === undefined && existsSync(this.#path)) this.#fd = openSync(this.#path, 'r');
    return this.#fd;
  }

  /** The whole lines from an offset on that fit into a chunk; a longer line makes the chunk grow. */
  #lines(fd: number, offset: number): { readonly bytes: Buffer; readonly end: number } {
    for (;;) {
      const length = readSync(fd, this.#chunk, 0, this.#chunk.length, offset);
      const bytes = this.#chunk.subarray(0, length);
      const end = bytes.lastIndexOf(10) + 1;
      if (end > 0 || length < this.#chunk.length || length >= mostBytes) return { bytes, end };
      this.#chunk = Buffer.alloc(2 * this.#chunk.length);
    }
  }

  /** The next events, at most a batch; empty where nothing new is there. */
  next(): LoggedEvent[] {
    const fd = this.#open();
    if (fd === undefined) return [];
    // Shorter than what was read of it: it was begun anew.
    if (fstatSync(fd).size < this.#offset) this.#offset = 0;
    const { bytes, end } = this.#lines(fd, this.#offset);
    const events: LoggedEvent[] = [];
    let at = 0;
    while (at < end && events.length < batchSize) {
      const lineEnd = bytes.indexOf(10, at);
      try {
        events.push(JSON.parse(bytes.toString('utf8', at, lineEnd)) as LoggedEvent);
      } catch {
        // The torn end of a power cut: the trainer cuts it off when it resumes.
        break;
      }
      at = lineEnd + 1;
    }
    this.#offset += at;
    return events;
  }

  /**
   * Goes to the event with this number without reading those before it; numbers grow along the log.
   * @returns that event, or the first after it; `undefined` where the log ends before
   */
  seek(seq: number): LoggedEvent | undefined {
    const fd = this.#open();
    if (fd === undefined) return undefined;
    // The event sought begins at or after `low`, and before or at `high`.
    let low = 0;
    let high = fstatSync(fd).size;
    while (high - low > chunkBytes / 2) {
      const middle = (low + high) >> 1;
      const start = this.#nextLine(fd, middle);
      this.#offset = start;
      const [event] = this.next();
      if (event && event.seq < seq) low = start;
      else high = middle;
    }
    for (this.#offset = low; ; ) {
      const before = this.#offset;
      const events = this.next();
      if (events.length === 0) return undefined;
      const index = events.findIndex((event) => event.seq >= seq);
      if (index < 0) continue;
      this.#offset = before;
      for (let line = 0; line < index; line++) this.#offset = this.#nextLine(fd, this.#offset);
      return events[index];
    }
  }

  /** Where the first line after this offset begins; the end of the file where none does. */
  #nextLine(fd: number, offset: number): number {
    for (let at = offset; ; ) {
      const length = readSync(fd, this.#chunk, 0, this.#chunk.length, at);
      if (length === 0) return at;
      const end = this.#chunk.subarray(0, length).indexOf(10);
      if (end >= 0) return at + end + 1;
      at += length;
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
