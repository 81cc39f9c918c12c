import type { Webview } from 'vscode';
import {
  type Contract,
  type Notice,
  type NoticeName,
  problemOf,
  type RequestHandlers,
  type ToExtension,
  type ToView,
} from '../../../webview/contract/kernel.ts';
import { Disposables } from '../disposables.ts';
import { describe, isCancelled } from '../failure.ts';
import type { Log } from '../log.ts';

/** The extension's end of a view's contract. */
export class ViewServer<C extends Contract> {
  readonly #owned = new Disposables();
  readonly #running = new Map<number, AbortController>();
  #over = false;

  constructor(
    readonly webview: Webview,
    readonly contract: C,
    readonly handlers: RequestHandlers<C>,
    readonly log: Log,
    /** Hears of failures besides the view, where the view shows none. */
    readonly onFailure: (cause: unknown) => void = () => {},
  ) {
    this.#owned.add(webview.onDidReceiveMessage((message: ToExtension) => this.#take(message)));
  }

  /** Tells the view something; lost while it is hidden, which is no loss: shown again it asks for everything. */
  notify<N extends NoticeName<C>>(notice: N, params: Notice<C, N>): void {
    this.#post({ notice, params });
  }

  #post(message: ToView): void {
    // What was asked for may take longer than the view is open.
    if (this.#over) return;
    this.webview.postMessage(message).then(undefined, (cause) => this.log.warn(String(cause)));
  }

  async #take(message: ToExtension | undefined): Promise<void> {
    if (typeof message !== 'object' || message === null) return;
    if ('cancel' in message) return this.#running.get(message.cancel)?.abort();
    const { id, request, params } = message;
    const schema = Object.hasOwn(this.contract.requests, request)
      ? this.contract.requests[request]
      : undefined;
    const problem = schema ? problemOf(schema.params, params) : 'there is no such request';
    if (problem) {
      this.log.error(`A view asked for ${JSON.stringify(request).slice(0, 100)}: ${problem}`);
      return this.#post({ id, failure: problem, cancelled: false });
    }
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      const handlers = this.handlers as Record<string, (params: unknown, signal: AbortSignal) => unknown>;
      const result = await handlers[request]!(params, controller.signal);
      this.#post({ id, result: result ?? {} });
    } catch (cause) {
      if (!isCancelled(cause)) {
        this.log.error(`${request}: ${describe(cause)}`);
        this.onFailure(cause);
      }
      this.#post({ id, failure: describe(cause), cancelled: isCancelled(cause) });
    } finally {
      this.#running.delete(id);
    }
  }

  dispose(): void {
    this.#over = true;
    for (const controller of this.#running.values()) controller.abort();
    this.#owned.dispose();
  }
}
