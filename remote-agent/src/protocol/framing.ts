import type { Readable, Writable } from 'node:stream';
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  type DataCallback,
  type Disposable,
  ErrorCodes,
  type Message,
  type MessageReader,
  type MessageWriter,
} from 'vscode-jsonrpc/node.js';
import { maxBanner, maxMessage, maxNesting, sentinel } from './version.ts';

/** Cuts a byte stream into lines; a line over the limit is told of once and skipped to its end. */
class Lines {
  #parts: Buffer[] = [];
  #length = 0;
  #skipping = false;

  constructor(
    readonly limit: () => number,
    readonly onLine: (line: Buffer) => void,
    readonly onTooLong: (bytes: number) => void,
  ) {}

  push(chunk: Buffer): void {
    let at = 0;
    for (let end = chunk.indexOf(10, at); end >= 0; end = chunk.indexOf(10, at)) {
      this.#add(chunk.subarray(at, end));
      at = end + 1;
      const line = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
      this.#parts = [];
      this.#length = 0;
      if (this.#skipping) this.#skipping = false;
      else this.onLine(line);
    }
    this.#add(chunk.subarray(at));
  }

  #add(part: Buffer): void {
    if (this.#skipping) return;
    this.#length += part.length;
    if (this.#length > this.limit()) {
      this.#skipping = true;
      this.#parts = [];
      this.onTooLong(this.#length);
    } else this.#parts.push(part);
  }
}

/** A message that is not passed on, and what is wrong with it; `id` where it could be read. */
export interface Refusal {
  readonly id: string | number | null;
  readonly code: number;
  readonly message: string;
}

/** What to wait for before messages count. */
export interface ReaderOptions {
  /** Skip everything up to the sentinel line; what was skipped is kept for messages about failures. */
  readonly awaitSentinel?: boolean;
  /**
   * Pass on requests alone, with named parameters, and of those the ones whose id this admits. Notifications are
   * passed over: a client has none to send.
   */
  readonly admit?: (id: string | number) => boolean;
  /** Called with each message that is not passed on. */
  readonly onRefused?: (refusal: Refusal) => void;
}

/** Whether brackets outside of strings nest deeper than any message of ours. */
export function nestsTooDeep(line: Uint8Array): boolean {
  let depth = 0;
  let inText = false;
  for (let i = 0; i < line.length; i++) {
    const byte = line[i];
    if (inText) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inText = false;
    } else if (byte === 0x22) inText = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > maxNesting) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return false;
}

/** Lines of the greatest length that may come before the sentinel. */
const mostBanners = 16;

const isPlain = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
const idOf = (id: unknown) => (typeof id === 'string' || typeof id === 'number' ? id : null);

/** What keeps a message of a client from being one; `undefined` when nothing does. */
function shapeProblem(message: Record<string, unknown>): string | undefined {
  const { method, id, params } = message;
  if (typeof method !== 'string') return 'A message names its method';
  if (id !== undefined && idOf(id) === null) return 'The id of a request is a text or a number';
  if (!isPlain(params)) return 'Parameters are named: they are the members of an object';
  return undefined;
}

/**
 * JSON-RPC messages as lines of JSON. Lines that do not begin with `{` are noise of a shell and are passed over; a
 * line that is no message is refused and passed over.
 */
export class LineReader extends AbstractMessageReader implements MessageReader {
  /** What came before the sentinel. */
  banner = '';
  readonly started: Promise<void>;
  #started!: () => void;
  #waiting: boolean;
  /** Bytes before the sentinel. */
  #skipped = 0;
  #callback: DataCallback | undefined;
  readonly #early: Message[] = [];
  readonly #options: ReaderOptions;

  constructor(stream: Readable, options: ReaderOptions = {}) {
    super();
    this.#options = options;
    this.#waiting = options.awaitSentinel ?? false;
    this.started = new Promise((resolve) => {
      this.#started = resolve;
    });
    if (!this.#waiting) this.#started();
    const lines = new Lines(
      () => (this.#waiting ? maxBanner : maxMessage),
      (line) => this.#line(line),
      (bytes) => {
        if (!this.#waiting)
          this.#refuse(
            ErrorCodes.InvalidRequest,
            `The message is longer than ${maxMessage} bytes (${bytes} and more)`,
          );
      },
    );
    stream.on('data', (chunk: Buffer) => {
      if (this.#waiting) this.#skipped += chunk.length;
      if (this.#waiting && this.#skipped > mostBanners * maxBanner)
        this.#refuse(ErrorCodes.InvalidRequest, 'There is no end of what comes before the agent speaks');
      lines.push(chunk);
    });
    stream.on('error', (error) => this.fireError(error));
    stream.on('end', () => this.fireClose());
    stream.on('close', () => this.fireClose());
  }

  #refuse(code: number, message: string, id: unknown = null): void {
    this.#options.onRefused?.({ id: idOf(id), code, message });
  }

  #line(line: Buffer): void {
    if (this.#waiting) {
      const text = line.toString('utf8').trim();
      if (text === sentinel) {
        this.#waiting = false;
        this.#started();
      } else if (this.banner.length < 8000) this.banner += `${text.slice(0, 8000)}\n`;
      return;
    }
    if (line[0] !== 0x7b) return;
    const message = this.#parse(line);
    if (!message || !this.#isWanted(message)) return;
    if (this.#callback) this.#pass(message as never);
    else this.#early.push(message as never);
  }

  #parse(line: Buffer): Record<string, unknown> | undefined {
    if (nestsTooDeep(line)) {
      this.#refuse(ErrorCodes.InvalidRequest, `The message nests deeper than ${maxNesting} levels`);
      return undefined;
    }
    try {
      const message = JSON.parse(line.toString('utf8')) as Record<string, unknown>;
      // The library hands a handler something else where parameters are left out.
      if ('method' in message && message.params === undefined) message.params = {};
      return message;
    } catch {
      this.#refuse(ErrorCodes.ParseError, 'The message is no JSON');
      return undefined;
    }
  }

  #isWanted(message: Record<string, unknown>): boolean {
    if (!this.#options.admit) return true;
    const { id } = message;
    const problem = shapeProblem(message);
    if (problem) this.#refuse(ErrorCodes.InvalidRequest, problem, id);
    if (problem || id === undefined) return false;
    if (this.#options.admit(id as string | number)) return true;
    // Without the id: an answer under it is that of the first.
    this.#refuse(ErrorCodes.InvalidRequest, `The request ${id} is not answered yet`);
    return false;
  }

  #pass(message: Message): void {
    try {
      this.#callback?.(message);
    } catch (cause) {
      this.fireError(cause);
    }
  }

  listen(callback: DataCallback): Disposable {
    this.#callback = callback;
    for (const message of this.#early.splice(0)) this.#pass(message);
    return {
      dispose: () => {
        this.#callback = undefined;
      },
    };
  }
}

/**
 * Writes messages as lines; a write resolves when the stream has taken it, so that a slow reader slows its writer. One
 * that fails is told of as an error of the connection, whose end fails what waits for an answer: the library would throw
 * the failure of a request a second time, where nobody can catch it.
 */
export class LineWriter extends AbstractMessageWriter implements MessageWriter {
  readonly #stream: Writable;
  readonly #onWritten: (message: Message) => void;

  /** @param onWritten called with each message that the stream has taken, or never will */
  constructor(stream: Writable, onWritten: (message: Message) => void = () => {}) {
    super();
    this.#stream = stream;
    this.#onWritten = onWritten;
    stream.on('error', (error) => this.fireError(error));
    stream.on('close', () => this.fireClose());
  }

  write(message: Message): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.write(`${JSON.stringify(message)}\n`, (error) => {
        this.#onWritten(message);
        if (error) this.fireError(error, message);
        resolve();
      });
    });
  }

  end(): void {
    this.#stream.end();
  }
}
