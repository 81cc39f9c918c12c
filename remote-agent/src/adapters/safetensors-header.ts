import { open } from 'node:fs/promises';
import { ParaError } from '../common/errors.ts';

/** What a safetensors file says before its numbers. */
export interface SafetensorsHeader {
  /** Size of the file. */
  readonly bytes: number;
  /** Shapes by name. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Largest header that is read, in bytes: adapters of the largest bases have some hundred KB. */
const mostBytes = 16 << 20;

/**
 * Reads the head of a file of any size, for those who only show it: nothing is held against the numbers behind it, as
 * `decodeSafetensors` does.
 * @throws ParaError `safetensors` where it is none; what the file system throws
 */
export async function readHeader(path: string): Promise<SafetensorsHeader> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const length = Buffer.alloc(8);
    await file.read(length, 0, 8, 0);
    const headerBytes = Number(length.readBigUInt64LE());
    if (size < 8 || headerBytes > Math.min(mostBytes, size - 8)) throw notRead(path);
    const text = Buffer.alloc(headerBytes);
    await file.read(text, 0, headerBytes, 8);
    return { bytes: size, ...parsed(text.toString('utf8'), path) };
  } finally {
    await file.close();
  }
}

const notRead = (path: string, cause?: unknown) =>
  new ParaError('safetensors', 'This is no adapter file', { where: path, cause });

interface Entry {
  readonly shape?: readonly number[];
}

function parsed(text: string, path: string): Omit<SafetensorsHeader, 'bytes'> {
  let header: Record<string, Entry> & { readonly __metadata__?: Record<string, string> };
  try {
    header = JSON.parse(text) as typeof header;
  } catch (cause) {
    throw notRead(path, cause);
  }
  const { __metadata__: metadata = {}, ...entries } = header;
  const shapes = Object.entries(entries as Record<string, Entry>).flatMap(([name, { shape }]) =>
    Array.isArray(shape) ? [[name, shape as readonly number[]] as const] : [],
  );
  return { shapes: new Map(shapes), metadata };
}
