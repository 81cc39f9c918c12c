import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync } from 'node:fs';
import { diskError, writeAll } from '../common/files.ts';
import type { TrainEvent } from '../training/events.ts';

/** An event as it lies in `events.jsonl`. */
export type LoggedEvent = TrainEvent & {
  /** 1, 2, 3, ...; never repeats within a run, across resumes. */
  readonly seq: number;
  /** ISO 8601. */
  readonly time: string;
};

/** All whole lines of the log; a torn last line (a writer died in it) is left out. */
export function readEvents(path: string, fromSeq = 1): LoggedEvent[] {
  if (!existsSync(path)) return [];
  const { events } = parseLog(readFileSync(path));
  return fromSeq > 1 ? events.filter((e) => e.seq >= fromSeq) : events;
}

function parseLog(bytes: Buffer): { events: LoggedEvent[]; length: number } {
  const events: LoggedEvent[] = [];
  let at = 0;
  for (let end = bytes.indexOf(10, at); end >= 0; end = bytes.indexOf(10, at)) {
    try {
      events.push(JSON.parse(bytes.toString('utf8', at, end)) as LoggedEvent);
    } catch {
      // A line that is no JSON can only be the torn end of an earlier power cut: nothing after it counts.
      break;
    }
    at = end + 1;
  }
  return { events, length: at };
}

/**
 * Events that count: a `resumed` event takes back the steps after its `fromStep` that came before it, and a second
 * `started` (the run died before it saved anything) all of them.
 */
export function effectiveEvents(events: readonly LoggedEvent[]): LoggedEvent[] {
  let kept: LoggedEvent[] = [];
  for (const event of events) {
    const from = event.type === 'resumed' ? event.fromStep : event.type === 'started' ? 0 : undefined;
    if (from !== undefined)
      kept = kept.filter((e) => !('step' in e) || e.step <= from || e.type === 'stopped');
    kept.push(event);
  }
  return kept;
}

/** The writing end of `events.jsonl`: opened by one trainer at a time. */
export class EventLog {
  readonly #fd: number;
  readonly #path: string;
  /** Bytes of whole lines. */
  #length: number;
  #last: LoggedEvent | undefined;

  /** @param onEvent hears of every event that is there already */
  constructor(path: string, onEvent?: (event: LoggedEvent) => void) {
    this.#path = path;
    const { events, length } = existsSync(path) ? parseLog(readFileSync(path)) : { events: [], length: 0 };
    if (onEvent) events.forEach(onEvent);
    this.#last = events.at(-1);
    try {
      this.#fd = openSync(path, 'a');
      ftruncateSync(this.#fd, length);
    } catch (cause) {
      throw diskError(cause, path);
    }
    this.#length = length;
  }

  /** Appends one event, wholly or not at all; `durable` also waits until the disk has it. @throws ParaError `disk` */
  append(event: TrainEvent, durable = false): LoggedEvent {
    const logged = { seq: this.lastSeq + 1, time: new Date().toISOString(), ...event } as LoggedEvent;
    this.#write(logged, durable);
    return logged;
  }

  /** Takes over an event of another log as it is. @throws RangeError when its number is not the next */
  copy(event: LoggedEvent): void {
    if (event.seq !== this.lastSeq + 1)
      throw new RangeError(`Event ${event.seq} does not follow event ${this.lastSeq}`);
    this.#write(event, false);
  }

  /** Number of the last event, 0 before the first. */
  get lastSeq(): number {
    return this.#last?.seq ?? 0;
  }

  get last(): LoggedEvent | undefined {
    return this.#last;
  }

  /** Starts anew: the log this one copies did. */
  clear(): void {
    ftruncateSync(this.#fd, 0);
    this.#length = 0;
    this.#last = undefined;
  }

  #write(event: LoggedEvent, durable: boolean): void {
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    try {
      writeAll(this.#fd, line);
      if (durable) fsyncSync(this.#fd);
    } catch (cause) {
      ftruncateSync(this.#fd, this.#length);
      throw diskError(cause, this.#path);
    }
    this.#length += line.length;
    this.#last = event;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
