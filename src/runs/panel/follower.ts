import { type FSWatcher, watch } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { jobFiles } from '../../../remote-agent/src/jobs/job.ts';
import { Tail } from '../../../remote-agent/src/jobs/tail.ts';
import type { RunChange, RunLog } from './run-log.ts';

/** Time between looks at a folder that tells of no change, in ms: some file systems never do. */
const pollEvery = 1000;

export interface FollowerHooks {
  /** New events were read; `live` once all that was there before has been. */
  onChange(change: RunChange, live: boolean): void;
  /** The folder changed, or a second passed: what else lies in it may be new. */
  onLook(): void;
  onFailure(cause: unknown): void;
}

/** Reads a run's events into its log as they are written: a part at a time, so that others have their turn. */
export class RunFollower {
  readonly #tail: Tail;
  readonly #timer: NodeJS.Timeout;
  #watcher: FSWatcher | undefined;
  #reading: Promise<void> | undefined;
  #again = false;
  #live = false;
  #over = false;
  /** The failure that was told last: the next look may meet it again. */
  #failure = '';

  constructor(
    readonly directory: string,
    readonly log: RunLog,
    readonly hooks: FollowerHooks,
  ) {
    this.#tail = new Tail(jobFiles(directory).events);
    try {
      this.#watcher = watch(directory, { persistent: false }, () => void this.look());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // Not every file system can be watched: the clock is enough.
    }
    this.#timer = setInterval(() => void this.look(), pollEvery);
    this.#timer.unref();
  }

  /** Reads all that is there. */
  look(): Promise<void> {
    this.#again = true;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    // Whoever asks has its turn first: it may be about to be made.
    await nextTurn();
    try {
      while (this.#again && !this.#over) {
        this.#again = false;
        for (let events = this.#tail.next(); events.length > 0; events = this.#tail.next()) {
          this.hooks.onChange(this.log.take(events), this.#live);
          await nextTurn();
          if (this.#over) return;
        }
        this.#live = true;
        this.hooks.onLook();
      }
      this.#failure = '';
    } catch (cause) {
      const failure = String(cause);
      if (this.#over || failure === this.#failure) return;
      this.#failure = failure;
      this.hooks.onFailure(cause);
    }
  }

  dispose(): void {
    this.#over = true;
    clearInterval(this.#timer);
    this.#watcher?.close();
    this.#tail.close();
  }
}
