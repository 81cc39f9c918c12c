import { createReadStream, existsSync, lstatSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { ParaError } from '../common/errors.ts';
import { hashFile } from '../common/hash.ts';
import { receiveBlob } from '../jobs/blob-arrival.ts';
import { blobPath } from '../jobs/blob-store.ts';
import { Ack, BlobRequest, type GetOffer } from '../protocol/blobs.ts';
import { ByteChannel } from '../protocol/byte-channel.ts';
import { mostBlock, Pace } from '../protocol/pace.ts';
import { isValid, problemOf } from '../protocol/validate.ts';
import { sentinel } from '../protocol/version.ts';
import { adapterPath } from './adapter-store.ts';
import { toFailure } from './failure.ts';
import { fileOfJob, findJob } from './find-job.ts';
import { outboxPath } from './outbox.ts';

/**
 * Serves the blob channel until its input ends. A failure in the middle of bytes ends it: the client opens another.
 * @param silence in the middle of bytes after which the client is taken for gone, in ms
 */
export async function serveBlobs(input: Readable, output: Writable, silence: number): Promise<void> {
  const channel = new ByteChannel(input, output);
  const files = new FileSender(channel);
  await channel.write(`\n${sentinel}\n`);
  for (let line = await channel.readLine(); line !== undefined; line = await channel.readLine()) {
    try {
      const request = parse(line);
      if (request.op === 'put') {
        await receiveBlob(request.sha256, request.size, async (offset) => {
          await channel.writeJson({ offset });
          return inTime(channel.readBytes(request.size - offset), silence);
        });
        await channel.writeJson({ done: true });
      } else if (request.op === 'get') await files.result(request);
      else await files.blob(request);
    } catch (cause) {
      await channel.writeJson({ error: toFailure(cause) });
      return;
    }
  }
}

/** Ends where nothing comes for too long: a dead link may never say so. @throws ParaError `host` */
async function* inTime(parts: AsyncGenerator<Uint8Array>, silence: number): AsyncGenerator<Uint8Array> {
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new ParaError('host', 'The bytes of a file stopped coming', { hint: 'send it again' })),
        silence,
      );
    });
    try {
      const { value, done } = await Promise.race([parts.next(), late]);
      if (done) return;
      yield value;
    } finally {
      clearTimeout(timer);
    }
  }
}

function parse(line: string): BlobRequest {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = undefined;
  }
  const problem = problemOf(BlobRequest, value);
  if (problem) throw new ParaError('protocol', `The blob channel does not understand a request (${problem})`);
  return value as BlobRequest;
}

/** Sends files on one channel. */
class FileSender {
  readonly #pace = new Pace();

  constructor(readonly channel: ByteChannel) {}

  async result(request: BlobRequest & { op: 'get' }): Promise<void> {
    const path = fileOfJob(findJob(request.job), request.file);
    if (!path)
      throw new ParaError('run', 'The job has no such file', { where: `${request.job}/${request.file}` });
    // Files are replaced as a whole, never changed: size and hash are told before, and the client holds the bytes to them.
    const { size } = lstatSync(path);
    const sha256 = await hashFile(path, { size });
    const { have } = request;
    const same =
      have.size > 0 && have.size <= size && (await hashFile(path, { size: have.size })) === have.sha256;
    await this.#send(path, { size, sha256, offset: same ? have.size : 0 }, request.acks);
  }

  async blob(request: BlobRequest & { op: 'fetch' }): Promise<void> {
    const { sha256 } = request;
    const path = [blobPath(sha256), outboxPath(sha256), adapterPath(sha256)].find((p) => existsSync(p));
    if (!path) throw new ParaError('blob', 'The host has no such blob', { where: sha256 });
    const { size } = lstatSync(path);
    await this.#send(path, { size, sha256, offset: Math.min(request.offset, size) }, request.acks);
  }

  async #send(path: string, offer: GetOffer, acks = false): Promise<void> {
    const { size, offset } = offer;
    await this.channel.writeJson(offer);
    if (offset >= size) return;
    const parts = createReadStream(path, { start: offset, end: size - 1, highWaterMark: mostBlock });
    if (!acks) {
      for await (const part of parts) await this.channel.write(part as Buffer);
      return;
    }
    const acknowledged = new Acknowledgements(this.channel, this.#pace, size - offset);
    for await (const part of parts)
      for (let left = part as Buffer; left.length > 0; ) {
        await acknowledged.room();
        const block = left.subarray(0, this.#pace.block);
        this.#pace.sent(block.length, performance.now());
        await this.channel.write(block);
        left = left.subarray(block.length);
      }
    await acknowledged.all;
  }
}

/** Hears what has arrived of the bytes of one file. */
class Acknowledgements {
  /** Resolves when all has arrived. */
  readonly all: Promise<void>;
  #next: () => void = () => {};

  constructor(
    readonly channel: ByteChannel,
    readonly pace: Pace,
    bytes: number,
  ) {
    this.all = this.#listen(bytes);
    this.all.catch(() => {});
  }

  async #listen(bytes: number): Promise<void> {
    for (let left = bytes; left > 0; ) {
      const line = await this.channel.readLine(1000);
      if (line === undefined) throw new Error('the client is gone');
      const ack: unknown = JSON.parse(line);
      if (!isValid(Ack, ack) || ack.got > left)
        throw new ParaError('protocol', 'The blob channel does not understand what has arrived');
      left -= ack.got;
      this.pace.arrived(ack.got, performance.now());
      this.#next();
    }
  }

  /** Waits until more may be under way. @throws where the client is gone */
  async room(): Promise<void> {
    while (!this.pace.hasRoom)
      await Promise.race([
        this.all,
        new Promise<void>((resolve) => {
          this.#next = resolve;
        }),
      ]);
    const wait = this.pace.waitAt(performance.now());
    // Shorter waits than timers can make come together until they are long enough.
    if (wait >= 2) await sleep(wait);
  }
}
