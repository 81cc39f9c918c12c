import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ErrorCode, ParaError } from '../common/errors.ts';
import { hashFile } from '../common/hash.ts';
import { BlobFailure, type BlobRequest, GetOffer, PutDone, PutOffer } from '../protocol/blobs.ts';
import { ByteChannel } from '../protocol/byte-channel.ts';
import { allPrintable } from '../protocol/printable.ts';
import { isValid } from '../protocol/validate.ts';
import { maxBanner, sentinel } from '../protocol/version.ts';
import type { Channel } from './transports/transport.ts';

/** Told how much of a file is here, and its size. */
export type OnBytes = (bytes: number, size: number) => void;

/** The client's end of the blob channel: one transfer at a time, in the order they were asked for. */
export class BlobClient {
  readonly #channel: Channel;
  readonly #bytes: ByteChannel;
  readonly #host: string;
  readonly #acks: { readonly acks?: true };
  #turn: Promise<unknown>;
  ended = false;

  /** @param protocol version that both ends speak */
  constructor(channel: Channel, host: string, protocol: number) {
    this.#channel = channel;
    this.#host = host;
    this.#acks = protocol >= 2 ? { acks: true } : {};
    this.#bytes = new ByteChannel(channel.stdout, channel.stdin);
    this.#turn = this.#skipBanner();
    this.#turn.then(
      () => this.#watch(),
      () => {},
    );
  }

  async #skipBanner(): Promise<void> {
    for (let skipped = 0; skipped < maxBanner; ) {
      const line = await this.#bytes.readLine(maxBanner);
      if (line === undefined) break;
      if (line.trim() === sentinel) return;
      skipped += line.length + 1;
    }
    throw new ParaError('host', 'The blob channel could not be opened', { where: this.#host });
  }

  /** Looks for the end while nothing is asked: servers may close what is idle for long. */
  #watch(): void {
    this.#bytes.peek().then(
      (isOpen) => isOpen || this.close(),
      () => this.close(),
    );
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    try {
      const result = await mine;
      this.#watch();
      return result;
    } catch (cause) {
      // In the middle of bytes nobody knows where a line begins: the next transfer gets a channel of its own.
      this.close();
      if (cause instanceof ParaError) throw cause;
      throw new ParaError('host', 'A transfer was cut off', {
        where: this.#host,
        hint: 'it goes on from there when it is repeated',
        cause,
      });
    }
  }

  async #answer(): Promise<unknown> {
    const line = await this.#bytes.readLine();
    if (line === undefined) throw new Error('the channel ended');
    const value = allPrintable(JSON.parse(line));
    if (!isValid(BlobFailure, value)) return value;
    const { code, what, where, hint } = value.error;
    throw new ParaError(code as ErrorCode, what, { ...(where ? { where } : {}), ...(hint ? { hint } : {}) });
  }

  /**
   * Sends a file under its hash; what the host has of it already is not sent.
   * @param onBytes called with how much of it the host has
   */
  put(path: string, sha256: string, onBytes: (bytes: number) => void = () => {}): Promise<void> {
    return this.#inTurn(async () => {
      const { size } = statSync(path);
      await this.#ask({ op: 'put', sha256, size });
      const offer = await this.#answer();
      if (!isValid(PutOffer, offer) || offer.offset > size) throw new Error('no offer');
      let sent = offer.offset;
      onBytes(sent);
      if (offer.offset < size)
        for await (const part of createReadStream(path, { start: offer.offset, end: size - 1 })) {
          await this.#bytes.write(part as Buffer);
          sent += (part as Buffer).length;
          onBytes(sent);
        }
      if (!isValid(PutDone, await this.#answer())) throw new Error('not taken');
    });
  }

  #ask(request: BlobRequest): Promise<void> {
    return this.#bytes.writeJson(request);
  }

  /**
   * Fetches a result file of a job to `path`; a part that is there from before is gone on from.
   * @param onBytes called with how much of it is here, and its size
   */
  get(job: string, file: string, path: string, onBytes: OnBytes = () => {}): Promise<void> {
    return this.#inTurn(async () => {
      const has = partOf(path);
      const have = { size: has, sha256: has > 0 ? await hashFile(`${path}.part`) : '0'.repeat(64) };
      await this.#ask({ op: 'get', job, file, have, ...this.#acks });
      const offer = await this.#offer(has);
      await this.#receive(offer, path, file, onBytes);
    });
  }

  /** Fetches a blob by its hash to `path`; a part that is there from before is gone on from. */
  fetch(sha256: string, path: string): Promise<void> {
    return this.#inTurn(async () => {
      const has = partOf(path);
      await this.#ask({ op: 'fetch', sha256, offset: has, ...this.#acks });
      const offer = await this.#offer(has);
      await this.#receive({ ...offer, sha256 }, path, sha256);
    });
  }

  /** The bytes of a small blob. @param limit bytes that are taken at most */
  bytes(sha256: string, limit = 64 << 20): Promise<Buffer> {
    return this.#inTurn(async () => {
      await this.#ask({ op: 'fetch', sha256, offset: 0, ...this.#acks });
      const { size } = await this.#offer(0);
      if (size > limit) throw this.#wrong(`${sha256}: ${size} bytes, at most ${limit} are taken`);
      const parts: Buffer[] = [];
      for await (const part of this.#incoming(size)) parts.push(Buffer.from(part));
      const all = Buffer.concat(parts);
      if (createHash('sha256').update(all).digest('hex') !== sha256) throw this.#wrong(sha256);
      return all;
    });
  }

  /** Bytes as they come; the other end hears of each part at once, so that it knows how full the link is. */
  async *#incoming(count: number): AsyncGenerator<Buffer> {
    for await (const part of this.#bytes.readBytes(count)) {
      if (this.#acks.acks) await this.#bytes.writeJson({ got: part.length });
      yield part;
    }
  }

  async #offer(has: number): Promise<GetOffer> {
    const offer = await this.#answer();
    if (
      !isValid(GetOffer, offer) ||
      (offer.offset !== 0 && offer.offset !== has) ||
      offer.offset > offer.size
    )
      throw new Error('no offer');
    return offer;
  }

  async #receive(
    { size, offset, sha256 }: GetOffer,
    path: string,
    what: string,
    onBytes: OnBytes = () => {},
  ): Promise<void> {
    mkdirSync(dirname(path), { recursive: true });
    const partial = `${path}.part`;
    const out = await open(partial, offset === 0 ? 'w' : 'a', 0o600);
    let here = offset;
    try {
      for await (const part of this.#incoming(size - offset)) {
        await out.write(part);
        here += part.length;
        onBytes(here, size);
      }
      await out.sync();
    } finally {
      await out.close();
    }
    if ((await hashFile(partial)) !== sha256) {
      rmSync(partial, { force: true });
      throw this.#wrong(what);
    }
    renameSync(partial, path);
  }

  #wrong(what: string): ParaError {
    return new ParaError('blob', 'A file came from the host with other bytes than announced', {
      where: `${this.#host}: ${what}`,
      hint: 'repeat it',
    });
  }

  close(): void {
    this.ended = true;
    this.#channel.kill();
  }
}

/** A channel for bytes that is opened with the first transfer, and anew after it failed. */
export class BlobLine {
  #blobs: Promise<BlobClient> | undefined;

  constructor(readonly open: () => Promise<BlobClient>) {}

  get(): Promise<BlobClient> {
    this.#blobs = (this.#blobs ?? this.open()).then(
      (blobs) => (blobs.ended ? this.open() : blobs),
      () => this.open(),
    );
    return this.#blobs;
  }

  close(): void {
    this.#blobs?.then(
      (blobs) => blobs.close(),
      () => {},
    );
  }
}

/** How much of a file came before. */
const partOf = (path: string): number => (existsSync(`${path}.part`) ? statSync(`${path}.part`).size : 0);
