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
    for (const listener of [...this.#listeners])
      try {
        listener(value);
      } catch (cause) {
        // One that fails keeps nobody else from hearing, and is an error nevertheless.
        queueMicrotask(() => {
          throw cause;
        });
      }
  }
}

/** Calls `work` once for any number of calls within `ms`, at their end; once disposed never again. */
export function gathered(ms: number, work: () => void): (() => void) & Owned {
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const call = () => {
    if (over) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      work();
    }, ms);
  };
  return Object.assign(call, {
    dispose: () => {
      over = true;
      clearTimeout(timer);
    },
  });
}
