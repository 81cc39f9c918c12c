import type { Disposable } from 'vscode';

/** Owns what has to be given back; disposes in the reverse order, once. */
export class Disposables implements Disposable {
  readonly #owned: Disposable[] = [];
  #over = false;

  /** Takes one over; where this is disposed already, it is given back at once. */
  add<T extends Disposable>(one: T): T {
    if (this.#over) one.dispose();
    else this.#owned.push(one);
    return one;
  }

  dispose(): void {
    this.#over = true;
    for (let one = this.#owned.pop(); one; one = this.#owned.pop()) one.dispose();
  }
}
