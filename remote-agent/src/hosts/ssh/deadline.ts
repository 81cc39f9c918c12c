import type { Prompter } from '../prompter.ts';

/** A time limit that stands still while a person is asked. */
export class Deadline {
  #timer: NodeJS.Timeout | undefined;
  readonly #limit: number;
  readonly #late: () => void;
  #asking = 0;
  #over = false;

  /** @param limit in ms of silence */
  constructor(limit: number, late: () => void) {
    this.#limit = limit;
    this.#late = late;
    this.restart();
  }

  /** Something went on. */
  restart(): void {
    clearTimeout(this.#timer);
    if (!this.#over && this.#asking === 0) this.#timer = setTimeout(this.#late, this.#limit);
  }

  end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  /** Waits for something that takes as long as it takes. */
  async pause<T>(waiting: Promise<T>): Promise<T> {
    this.#asking++;
    clearTimeout(this.#timer);
    try {
      return await waiting;
    } finally {
      this.#asking--;
      this.restart();
    }
  }

  /** A prompter whose questions stop the clock. */
  patient(prompter: Prompter): Prompter {
    return {
      confirmHostKey: (question) => this.pause(prompter.confirmHostKey(question)),
      ask: (question) => this.pause(prompter.ask(question)),
    };
  }
}
