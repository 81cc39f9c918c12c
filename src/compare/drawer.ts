/** A picture that is wanted in a cell. */
export interface Wanted<Place> {
  readonly place: Place;
  /** Names the picture; the same key, the same picture. */
  readonly key: string;
}

export interface DrawerHooks<Place> {
  /** All pictures that are wanted now, the first to be drawn first. */
  wanted(): readonly Wanted<Place>[];
  /** Whether a picture is there. */
  has(key: string): boolean;
  /** Draws one; ends early where the signal says so. */
  draw(one: Wanted<Place>, signal: AbortSignal): Promise<void>;
  /** A picture is there, or could not be drawn. */
  onEnd(one: Wanted<Place>, failure?: unknown): void;
}

/**
 * Draws what is wanted, one picture after the other. What is wanted may change at any time: what is drawn then and not
 * wanted any more is broken off at once, and nothing stale is begun.
 */
export class Drawer<Place> {
  readonly #failed = new Set<string>();
  #current: { readonly one: Wanted<Place>; readonly controller: AbortController } | undefined;
  #paused: boolean;

  constructor(
    readonly hooks: DrawerHooks<Place>,
    paused = false,
  ) {
    this.#paused = paused;
  }

  get paused(): boolean {
    return this.#paused;
  }
  /** The picture that is drawn now. */
  get current(): Wanted<Place> | undefined {
    return this.#current?.one;
  }
  hasFailed(key: string): boolean {
    return this.#failed.has(key);
  }

  /** Draws from now on, what failed included. */
  start(): void {
    this.#paused = false;
    this.forgetFailures();
    this.update();
  }

  /** What failed may be tried again. */
  forgetFailures(): void {
    this.#failed.clear();
  }

  /** Draws nothing until it is started again. */
  pause(): void {
    this.#paused = true;
    this.#current?.controller.abort();
  }

  /** What is wanted has changed. */
  update(): void {
    if (this.#paused) return;
    const wanted = this.hooks.wanted();
    const { one, controller } = this.#current ?? {};
    if (one && controller) {
      if (!wanted.some(({ key }) => key === one.key)) controller.abort();
      return;
    }
    const next = wanted.find(({ key }) => !this.#failed.has(key) && !this.hooks.has(key));
    if (next) void this.#draw(next);
  }

  async #draw(one: Wanted<Place>): Promise<void> {
    const controller = new AbortController();
    this.#current = { one, controller };
    let failure: unknown;
    try {
      await this.hooks.draw(one, controller.signal);
    } catch (cause) {
      failure = cause;
    }
    this.#current = undefined;
    if (failure === undefined) this.hooks.onEnd(one);
    else if (!controller.signal.aborted) {
      this.#failed.add(one.key);
      this.hooks.onEnd(one, failure);
    }
    this.update();
  }
}
