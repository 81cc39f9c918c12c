import { createReadStream, existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { ParaError } from '../common/errors.ts';
import { hashFile } from '../common/hash.ts';
import { receiveBlob } from '../jobs/blob-arrival.ts';
import { blobPath } from '../jobs/blob-store.ts';
import { BlobRequest, type GetOffer } from '../protocol/blobs.ts';
import { ByteChannel } from '../protocol/byte-channel.ts';
import { problemOf } from '../protocol/validate.ts';
import { sentinel } from '../protocol/version.ts';
import { adapterPath } from './adapter-store.ts';
import { toFailure } from './failure.ts';
import { findJob } from './find-job.ts';
import { outboxPath } from './outbox.ts';

/**
 * Serves the blob channel until its input ends. A failure in the middle of bytes ends it: the client opens another.
 * @param silence in the middle of bytes after which the client is taken for gone, in ms
 */
export async function serveBlobs(input: Readable, output: Writable, silence: number): Promise<void> {
  const channel = new ByteChannel(input, output);
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
      } else if (request.op === 'get') await sendFile(channel, request);
      else await sendBlob(channel, request);
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

async function sendFile(channel: ByteChannel, request: BlobRequest & { op: 'get' }): Promise<void> {
  const path = join(findJob(request.job), request.file);
  if (!existsSync(path) || !lstatSync(path).isFile())
    throw new ParaError('run', 'The job has no such file', { where: `${request.job}/${request.file}` });
  // Files are replaced as a whole, never changed: size and hash are told before, and the client holds the bytes to them.
  const { size } = lstatSync(path);
  const sha256 = await hashFile(path, { size });
  const { have } = request;
  const same =
    have.size > 0 && have.size <= size && (await hashFile(path, { size: have.size })) === have.sha256;
  await send(channel, path, { size, sha256, offset: same ? have.size : 0 });
}

async function sendBlob(channel: ByteChannel, request: BlobRequest & { op: 'fetch' }): Promise<void> {
  const { sha256 } = request;
  const path = [blobPath(sha256), outboxPath(sha256), adapterPath(sha256)].find((p) => existsSync(p));
  if (!path) throw new ParaError('blob', 'The host has no such blob', { where: sha256 });
  const { size } = lstatSync(path);
  await send(channel, path, { size, sha256, offset: Math.min(request.offset, size) });
}

async function send(channel: ByteChannel, path: string, offer: GetOffer): Promise<void> {
  const { size, offset } = offer;
  await channel.writeJson(offer);
  if (offset < size)
    for await (const part of createReadStream(path, { start: offset, end: size - 1 }))
      await channel.write(part as Buffer);
}
