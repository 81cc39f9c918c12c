import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { ParaError } from './errors.ts';
import { diskError, writeAll, writeFileAtomic } from './files.ts';
import { hashFile } from './hash.ts';
import type { Fetched } from './http.ts';

/** What a file must be; `git`: the hash that git keeps small files under. */
export interface Digest {
  readonly kind: 'sha256' | 'sha512' | 'git';
  readonly hex: string;
}

/** Where the bytes of a file come from, and what is said when they do not. */
export interface Source {
  /** Asks for the file with these headers besides; asked anew after each cut. */
  get(headers: Readonly<Record<string, string>>): Promise<Fetched>;
  /** What an answer without the file means; `undefined` where asking again may mend it. */
  refusal(answer: Fetched): ParaError | undefined;
  /** What it means that other bytes come than were announced. */
  damaged(what: string): ParaError;
  /** With what to give up after a cut; `undefined` to go on. `repeats`: since the last new byte. */
  giveUp(cause: unknown, state: { readonly repeats: number; readonly bytes: number }): Error | undefined;
}

export interface DownloadOptions {
  readonly size?: number | undefined;
  readonly digest?: Digest | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with how many bytes are there, of how many where the server tells. */
  readonly onBytes?: (bytes: number, total: number | undefined) => void;
  /** Pause before the first repetition, in ms; doubled for each that follows without a byte. Default 200. */
  readonly pause?: number;
}

/**
 * Downloads a file. What came before a cut is gone on from, in this call and in the next one, as long as the server
 * still has the same file; nothing is at `target` before it is whole and, where a digest is known, right.
 * @throws ParaError `disk`, `cancelled`; what the source says
 */
export async function download(source: Source, target: string, options: DownloadOptions = {}): Promise<void> {
  const { signal, onBytes, pause = 200 } = options;
  if (existsSync(target)) {
    if (await isRight(target, options)) return onBytes?.(sizeOf(target), sizeOf(target));
    rmSync(target, { force: true });
  }
  mkdirSync(dirname(target), { recursive: true });
  const partial = `${target}.part`;
  let restarted = false;
  for (let repeats = 0; ; ) {
    const before = sizeOf(partial);
    try {
      await fetchRest(source, partial, options);
      if (await isRight(partial, options)) break;
      rmSync(partial, { force: true });
      // Once more from the start: a part from before may be of a file that has changed since.
      if (restarted || before === 0) throw source.damaged('The bytes that arrived are not those announced');
      restarted = true;
    } catch (cause) {
      if (signal?.aborted) throw cancelled();
      const known = diskError(cause, partial);
      if (known instanceof ParaError) throw known;
      const bytes = sizeOf(partial);
      repeats = bytes > before ? 0 : repeats + 1;
      const end = source.giveUp(cause, { repeats, bytes });
      if (end) throw end;
      await rest(pause * 2 ** repeats, signal);
    }
  }
  renameSync(partial, target);
  rmSync(tagFile(partial), { force: true });
}

const cancelled = (): ParaError =>
  new ParaError('cancelled', 'The download was cancelled', {
    hint: 'what was downloaded is kept for the next try',
  });

/** One request for what is missing, written behind what is there. */
async function fetchRest(source: Source, partial: string, options: DownloadOptions): Promise<void> {
  const { size, digest, onBytes } = options;
  const has = sizeOf(partial);
  if (size !== undefined && has === size) return;
  const tag = tagOf(partial);
  // Without a tag nobody can tell whether the file is still the same; a digest will, afterwards.
  const resume = has > 0 && (size === undefined || has < size) && (tag !== undefined || digest !== undefined);
  const answer = await source.get(
    resume ? { range: `bytes=${has}-`, ...(tag ? { 'if-range': tag } : {}) } : {},
  );
  const from = startOf(answer, has);
  if (from === undefined) {
    await answer.body.dump();
    const final = source.refusal(answer);
    if (answer.status === 416) rmSync(partial, { force: true });
    else if (final) throw final;
    throw new Error(`answer ${answer.status}`);
  }
  if (!digest) keepTag(partial, answer);
  const total = from + Number(answer.headers['content-length'] ?? Number.NaN);
  const at = await append(answer, partial, from, (bytes) => {
    onBytes?.(bytes, size ?? (Number.isFinite(total) ? total : undefined));
    return size === undefined || bytes <= size;
  });
  if (size !== undefined && at > size) {
    rmSync(partial, { force: true });
    throw source.damaged(`The server sends more than the ${size} bytes that were announced`);
  }
  if (at < (size ?? total)) throw new Error('the connection ended early');
}

/**
 * Writes the bytes of an answer at the end of a file as they come: a body that waits for a slow disk is what `get`
 * cannot bear, so this thread waits instead.
 * @param go called with the file's size after each part; `false` to stop
 * @returns the file's size
 */
function append(
  { body }: Fetched,
  path: string,
  from: number,
  go: (bytes: number) => boolean,
): Promise<number> {
  const fd = openSync(path, from === 0 ? 'w' : 'a', 0o600);
  let at = from;
  return new Promise<number>((resolve, reject) => {
    body.on('data', (part: Buffer) => {
      try {
        writeAll(fd, part);
        at += part.length;
        if (go(at)) return;
        resolve(at);
      } catch (cause) {
        reject(cause);
      }
      body.destroy();
    });
    body.on('error', reject);
    body.on('close', () => resolve(at));
  }).finally(() => {
    fsyncSync(fd);
    closeSync(fd);
  });
}

/** Where the bytes of an answer begin; `undefined` where it carries none of the file. */
function startOf(answer: Fetched, has: number): number | undefined {
  if (answer.status === 200) return 0;
  if (answer.status !== 206) return undefined;
  const start = /^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1];
  return Number(start) === has ? has : undefined;
}

const tagFile = (partial: string) => `${partial}.tag`;

function tagOf(partial: string): string | undefined {
  try {
    return readFileSync(tagFile(partial), 'utf8');
  } catch {
    // The server gave none.
    return undefined;
  }
}

/** Remembers what tells this file from a later one: a strong tag, as ranges need. */
function keepTag(partial: string, { headers }: Fetched): void {
  const { etag } = headers;
  if (etag && !etag.startsWith('W/')) writeFileAtomic(tagFile(partial), etag);
  else rmSync(tagFile(partial), { force: true });
}

/** How much of a download is there. */
export const arrivedBytes = (target: string): number => sizeOf(target) || sizeOf(`${target}.part`);

const sizeOf = (path: string): number => (existsSync(path) ? statSync(path).size : 0);

async function isRight(path: string, { size, digest }: DownloadOptions): Promise<boolean> {
  return (size === undefined || sizeOf(path) === size) && (!digest || (await hasDigest(path, digest)));
}

/** Whether a file has these bytes. */
export async function hasDigest(path: string, { kind, hex }: Digest): Promise<boolean> {
  const how = kind === 'git' ? { algorithm: 'sha1', before: `blob ${sizeOf(path)}\0` } : { algorithm: kind };
  return (await hashFile(path, how)) === hex;
}

function rest(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.min(ms, 15_000));
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(cancelled());
    });
  });
}
