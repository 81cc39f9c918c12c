import type { Readable, Writable } from 'node:stream';

/** Lines and runs of raw bytes on one pair of streams, read on demand: a reader that waits makes the writer wait. */
export class ByteChannel {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #output: Writable;
  #rest: Buffer = Buffer.alloc(0);
  #failure: Error | undefined;
  /** Read before anybody asked for it. */
  #ahead: Promise<IteratorResult<Buffer>> | undefined;

  constructor(input: Readable, output: Writable) {
    this.#chunks = input[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    this.#output = output;
    output.on('error', (error) => {
      this.#failure = error;
    });
  }

  /** Waits until something comes, which is kept for whoever reads next, or the stream ends. @returns whether it goes on */
  async peek(): Promise<boolean> {
    this.#ahead ??= this.#chunks.next();
    return !(await this.#ahead).done;
  }

  async #more(): Promise<boolean> {
    const next = this.#ahead ?? this.#chunks.next();
    this.#ahead = undefined;
    const { value, done } = await next;
    if (done) return false;
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
    return true;
  }

  /** The next line without its end; `undefined` at the end of the stream. @throws when it is over `limit` bytes */
  async readLine(limit = 1 << 20): Promise<string | undefined> {
    for (let from = 0; ; ) {
      const end = this.#rest.indexOf(10, from);
      if (end >= 0) {
        const line = this.#rest.toString('utf8', 0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      from = this.#rest.length;
      if (from > limit) throw new Error(`a line is longer than ${limit} bytes`);
      if (!(await this.#more())) return undefined;
    }
  }

  /** Reads exactly `count` bytes in parts as they come. @throws when the stream ends before */
  async *readBytes(count: number): AsyncGenerator<Buffer> {
    let left = count;
    while (left > 0) {
      if (this.#rest.length === 0 && !(await this.#more())) throw new Error('the channel ended in a blob');
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  /** Writes and waits until the stream has room again. */
  write(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      this.#output.write(data, (error) => (error ? reject(error) : resolve()));
    });
  }

  writeJson(value: unknown): Promise<void> {
    return this.write(`${JSON.stringify(value)}\n`);
  }

  end(): void {
    this.#output.end();
  }
}
