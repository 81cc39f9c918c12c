/** Something that can be given back; the editor's Disposable fits. */
export interface Owned {
  dispose(): void;
}

/** An event without the editor, for what is tested without it. */
export class Signal<T = void> {
  readonly #listeners = new Set<(value: T) => void>();

  /** Hears of it from now on. */
  readonly on = (listener: (value: T) => void): Owned => {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  };

  fire(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }
}

/** Calls `work` once for any number of calls within `ms`, at their end. */
export function gathered(ms: number, work: () => void): (() => void) & Owned {
  let timer: NodeJS.Timeout | undefined;
  const call = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      work();
    }, ms);
  };
  return Object.assign(call, { dispose: () => clearTimeout(timer) });
}
