import { failAt, headerLength, parseHeader } from '../adapters/safetensors-header.ts';
import { ParaError } from '../common/errors.ts';
import { type Fetched, shownAddress } from '../common/http.ts';
import type { WeightsHeader } from '../diffusion/checkpoint/tensors.ts';
import { type Asking, get, refusal } from './fetch.ts';

/** More than most headers have. */
const firstBytes = 1 << 19;
const tries = 4;

/** What the first bytes of a file of weights tell before the rest is fetched. */
export interface RemoteHeader extends WeightsHeader {
  /** Size of the file, where the server tells. */
  readonly bytes: number | undefined;
}

/**
 * Reads the header of a safetensors file where it lies.
 * @returns undefined where it cannot be had now; the download will tell why
 * @throws ParaError `download` for what no repetition mends, `safetensors` for another kind of file, `cancelled`
 */
export async function remoteHeader(url: URL, asking: Asking): Promise<RemoteHeader | undefined> {
  const where = shownAddress(url);
  const start = await firstOf(url, firstBytes, asking);
  if (!start) return undefined;
  const { total = Number.MAX_SAFE_INTEGER } = start;
  const fail = failAt(where);
  const length = headerLength(start.bytes, total, fail);
  const whole = 8 + length <= start.bytes.length ? start : await firstOf(url, 8 + length, asking);
  if (!whole || whole.bytes.length < 8 + length) return undefined;
  const { entries, metadata } = parseHeader(whole.bytes.subarray(8, 8 + length), fail);
  const tensors = new Map(entries.map((entry) => [entry.name, { ...entry, file: where }]));
  return { tensors, metadata, bytes: start.total };
}

interface Start {
  readonly bytes: Buffer;
  readonly total: number | undefined;
}

async function firstOf(url: URL, count: number, asking: Asking): Promise<Start | undefined> {
  for (let n = 0; n < tries; n++) {
    if (n > 0) await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** n));
    if (asking.signal?.aborted)
      throw new ParaError('cancelled', 'The download was cancelled', { hint: 'nothing was fetched yet' });
    let answer: Fetched;
    try {
      answer = await get(url, asking, { range: `bytes=0-${count - 1}` });
      if (answer.status === 200 || answer.status === 206) {
        const bytes = await readStart(answer, count);
        if (bytes) return { bytes, total: totalOf(answer) };
        continue;
      }
      await answer.body.dump();
    } catch (cause) {
      if (cause instanceof ParaError) throw cause;
      continue;
    }
    const final = refusal(answer.status, url, asking.credential !== undefined);
    if (final) throw final;
  }
  return undefined;
}

function totalOf({ status, headers }: Fetched): number | undefined {
  const said = status === 206 ? headers['content-range']?.split('/')[1] : headers['content-length'];
  return /^\d+$/.test(said ?? '') ? Number(said) : undefined;
}

/** The first bytes of an answer, or all where it is shorter; undefined where the connection ended before. */
function readStart(answer: Fetched, count: number): Promise<Buffer | undefined> {
  const { body, headers } = answer;
  const parts: Buffer[] = [];
  let length = 0;
  const wanted = Math.min(count, Number(headers['content-length'] ?? count));
  return new Promise((resolve) => {
    const done = () => resolve(length < wanted ? undefined : Buffer.concat(parts).subarray(0, count));
    body.on('data', (part: Buffer) => {
      parts.push(part);
      length += part.length;
      if (length < wanted) return;
      done();
      // A server that knows no ranges would send all of it.
      body.destroy();
    });
    body.on('error', done);
    body.on('close', done);
  });
}
