import type { Readable, Writable } from 'node:stream';
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  type DataCallback,
  type Disposable,
  type Message,
  type MessageReader,
  type MessageWriter,
} from 'vscode-jsonrpc/node.js';
import { maxBanner, maxMessage, sentinel } from './version.ts';

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

/** What to wait for before messages count. */
export interface ReaderOptions {
  /** Skip everything up to the sentinel line; what was skipped is kept for messages about failures. */
  readonly awaitSentinel?: boolean;
  /** Called with each message that was too long to be read. */
  readonly onOversized?: (bytes: number) => void;
}

/**
 * JSON-RPC messages as lines of JSON. Lines that do not begin with `{` are noise of a shell and are passed over; a
 * line that is no JSON is reported as an error and passed over.
 */
export class LineReader extends AbstractMessageReader implements MessageReader {
  /** What came before the sentinel. */
  banner = '';
  readonly started: Promise<void>;
  #started!: () => void;
  #waiting: boolean;
  #callback: DataCallback | undefined;
  readonly #early: Message[] = [];

  constructor(stream: Readable, options: ReaderOptions = {}) {
    super();
    this.#waiting = options.awaitSentinel ?? false;
    this.started = new Promise((resolve) => {
      this.#started = resolve;
    });
    if (!this.#waiting) this.#started();
    const lines = new Lines(
      () => (this.#waiting ? maxBanner : maxMessage),
      (line) => this.#line(line),
      (bytes) => {
        if (!this.#waiting) options.onOversized?.(bytes);
      },
    );
    stream.on('data', (chunk: Buffer) => lines.push(chunk));
    stream.on('error', (error) => this.fireError(error));
    stream.on('end', () => this.fireClose());
    stream.on('close', () => this.fireClose());
  }

  #line(line: Buffer): void {
    if (this.#waiting) {
      const text = line.toString('utf8').trim();
      if (text === sentinel) {
        this.#waiting = false;
        this.#started();
      } else if (this.banner.length < 8000) this.banner += `${text}\n`;
      return;
    }
    if (line[0] !== 0x7b) return;
    let message: Message;
    try {
      message = JSON.parse(line.toString('utf8')) as Message;
    } catch (cause) {
      this.fireError(cause);
      return;
    }
    if (this.#callback) this.#callback(message);
    else this.#early.push(message);
  }

  listen(callback: DataCallback): Disposable {
    this.#callback = callback;
    for (const message of this.#early.splice(0)) callback(message);
    return {
      dispose: () => {
        this.#callback = undefined;
      },
    };
  }
}

/** Writes messages as lines; a write resolves when the stream has taken it, so that a slow reader slows its writer. */
export class LineWriter extends AbstractMessageWriter implements MessageWriter {
  readonly #stream: Writable;

  constructor(stream: Writable) {
    super();
    this.#stream = stream;
    stream.on('error', (error) => this.fireError(error));
    stream.on('close', () => this.fireClose());
  }

  write(message: Message): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(`${JSON.stringify(message)}\n`, (error) => (error ? reject(error) : resolve()));
    });
  }

  end(): void {
    this.#stream.end();
  }
}
