import type { Readable, Writable } from 'node:stream';
import {
  createMessageConnection,
  ErrorCodes,
  type MessageConnection,
  ResponseError,
} from 'vscode-jsonrpc/node.js';
import {
  Failure,
  type Method,
  type Notice,
  type NoticeParams,
  notifications,
  type Params,
  type Result,
  requests,
} from './contract.ts';
import { LineReader, LineWriter } from './framing.ts';
import { allPrintable, printable } from './printable.ts';
import { problemOf } from './validate.ts';
import { sentinel } from './version.ts';

/** Code of a JSON-RPC error that carries a `Failure`. */
const failureCode = -32000;

/** One function a request; a request without one does not compile. */
export type Handlers = { readonly [M in Method]: (params: Params<M>) => Promise<Result<M>> | Result<M> };

/** The agent's end of a connection. */
export interface AgentEnd {
  /** Sends a notification; resolves when the stream has taken it. */
  notify<N extends Notice>(notice: N, params: NoticeParams<N>): Promise<void>;
  /** When the client is gone. */
  readonly closed: Promise<void>;
}

/** Requests that are read and not yet answered, and bytes that the client has not taken: above, no more is read. */
const mostPending = 64;
const mostUnsent = 4 << 20;

/** Stops reading while too much is on its way, so that a client that asks without listening fills no memory. */
class Gate {
  readonly #unanswered = new Set<string | number>();

  constructor(
    readonly input: Readable,
    readonly output: Writable,
  ) {}

  /** @returns false where a request of this id is not answered yet */
  admit(id: string | number): boolean {
    if (this.#unanswered.has(id)) return false;
    this.#unanswered.add(id);
    this.settle();
    return true;
  }

  /** The client has taken a message, or never will. */
  written(message: { id?: unknown }): void {
    this.#unanswered.delete(message.id as string | number);
    this.settle();
  }

  settle(): void {
    if (this.#unanswered.size > mostPending || this.output.writableLength > mostUnsent) this.input.pause();
    else if (this.input.isPaused()) this.input.resume();
  }
}

/**
 * Serves requests on two streams: writes the sentinel, validates what comes in, answers. Unknown requests, wrong
 * types and oversized messages get errors; nothing a client sends ends the agent, or fills its memory.
 * @param toFailure turns what a handler throws into what the client is told
 * @param onMessage called whenever anything arrives
 */
export function serveRequests(
  input: Readable,
  output: Writable,
  handlers: Handlers,
  toFailure: (cause: unknown) => Failure,
  onMessage: () => void = () => {},
): AgentEnd {
  const gate = new Gate(input, output);
  const writer = new LineWriter(output, (message) => gate.written(message as { id?: unknown }));
  const reader = new LineReader(input, {
    admit: (id) => {
      onMessage();
      return gate.admit(id);
    },
    onRefused: ({ id, code, message }) => {
      void writer.write({ jsonrpc: '2.0', id, error: { code, message } } as never).catch(() => {});
      gate.settle();
    },
  });
  output.write(`\n${sentinel}\n`);
  const connection = createMessageConnection(reader, writer);
  let greeted = false;
  for (const [name, { params: schema }] of Object.entries(requests)) {
    const handler = handlers[name as Method] as (params: unknown) => unknown;
    connection.onRequest(name, async (params: unknown) => {
      if (!greeted && name !== 'handshake')
        return new ResponseError(ErrorCodes.ServerNotInitialized, 'The handshake must come first');
      const problem = problemOf(schema, params);
      if (problem) return new ResponseError(ErrorCodes.InvalidParams, `${name}: ${problem}`);
      try {
        const result = await handler(params);
        if (name === 'handshake') greeted = true;
        return result;
      } catch (cause) {
        const failure = toFailure(cause);
        return new ResponseError(failureCode, failure.what, failure);
      }
    });
  }
  // A client that has closed its end for reading is as gone as one that writes no more.
  const deaf = new Promise<void>((resolve) => output.on('error', () => resolve()));
  const closed = Promise.race([closing(connection), deaf]);
  connection.listen();
  return {
    closed,
    notify: (notice, params) => connection.sendNotification(notice, params),
  };
}

/** Resolves when a connection is over; errors of single messages do not end it. */
function closing(connection: MessageConnection): Promise<void> {
  return new Promise((resolve) => {
    connection.onError(() => {});
    connection.onClose(() => resolve());
    connection.onDispose(() => resolve());
  });
}

/** How a request failed at the other end or on the way. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  constructor(
    readonly failure: Failure,
    /** The link was lost after the request had been sent: it may have been carried out. */
    readonly mayHaveHappened = false,
  ) {
    super(failure.what);
  }
}

/** The client's end of a connection. No text that comes over it steers a terminal: all of it is made printable first. */
export class ClientEnd {
  readonly #connection: MessageConnection;
  readonly #reader: LineReader;
  readonly closed: Promise<void>;
  #open = true;
  #breach: RequestError | undefined;

  constructor(input: Readable, output: Writable) {
    this.#reader = new LineReader(input, {
      awaitSentinel: true,
      onRefused: ({ code, message }) => {
        // What is no JSON is noise of something else on the host; what is beyond every limit is an attack, or a fault.
        if (code !== ErrorCodes.InvalidRequest || this.#breach) return;
        this.#breach = new RequestError(
          { code: 'protocol', what: `The agent sends too much: ${message}` },
          true,
        );
        this.close();
      },
    });
    this.#connection = createMessageConnection(this.#reader, new LineWriter(output));
    this.closed = closing(this.#connection).then(() => {
      this.#open = false;
    });
    this.#connection.listen();
  }

  /** Resolves when the agent has written the sentinel. */
  get started(): Promise<void> {
    return this.#reader.started;
  }

  /** Why this end gave the connection up, if it did. */
  get breach(): RequestError | undefined {
    return this.#breach;
  }

  /** What the login shell printed before the agent began. */
  get banner(): string {
    return printable(this.#reader.banner);
  }

  /** @throws RequestError; `mayHaveHappened` tells whether a lost request can have taken effect */
  async call<M extends Method>(method: M, params: Params<M>, timeoutMs = 60_000): Promise<Result<M>> {
    if (!this.#open)
      throw this.#breach ?? new RequestError({ code: 'host', what: 'The host is not connected' });
    let timer: NodeJS.Timeout | undefined;
    const lost = this.closed.then(() => {
      throw (
        this.#breach ?? new RequestError({ code: 'host', what: 'The connection to the host was lost' }, true)
      );
    });
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new RequestError({ code: 'host', what: `The host did not answer (${method})` }, true)),
        timeoutMs,
      );
    });
    let result: unknown;
    try {
      const answer = this.#connection.sendRequest<unknown>(method, params);
      // The losers of the race may still fail; that is no news then.
      for (const promise of [answer, lost, late]) promise.catch(() => {});
      result = allPrintable(await Promise.race([answer, lost, late]));
    } catch (cause) {
      throw this.#breach ?? asRequestError(cause);
    } finally {
      clearTimeout(timer);
    }
    const problem = problemOf(requests[method].result, result);
    if (problem)
      throw new RequestError({
        code: 'protocol',
        what: `The agent's answer to ${method} is not understood (${problem})`,
        hint: 'install the agent again: para host install NAME',
      });
    return result as Result<M>;
  }

  /** Handles a notification; those that are not of its type are passed to `onProblem`. */
  on<N extends Notice>(
    notice: N,
    handler: (params: NoticeParams<N>) => void,
    onProblem: (problem: string) => void = () => {},
  ): void {
    this.#connection.onNotification(notice, (sent: unknown) => {
      const params = allPrintable(sent);
      const problem = problemOf(notifications[notice].params, params);
      if (problem) onProblem(problem);
      else handler(params as NoticeParams<N>);
    });
  }

  close(): void {
    this.#open = false;
    this.#connection.end();
    this.#connection.dispose();
  }
}

function asRequestError(cause: unknown): RequestError {
  if (cause instanceof RequestError) return cause;
  if (cause instanceof ResponseError) {
    const data = allPrintable((cause as ResponseError<unknown>).data);
    if (cause.code === failureCode && problemOf(Failure, data) === undefined)
      return new RequestError(data as Failure);
    if (cause.code === ErrorCodes.MethodNotFound)
      return new RequestError({
        code: 'protocol',
        what: 'The agent on the host does not know this request',
        hint: 'it is older than this program: para host install NAME',
      });
    if (cause.code === ErrorCodes.PendingResponseRejected)
      return new RequestError({ code: 'host', what: 'The connection to the host was lost' }, true);
    return new RequestError({
      code: 'protocol',
      what: `The agent refused a request: ${printable(cause.message)}`,
    });
  }
  return new RequestError(
    {
      code: 'host',
      what: `The host could not be asked: ${cause instanceof Error ? cause.message : String(cause)}`,
    },
    true,
  );
}
