import { fstatSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { ParaError } from '../common/errors.ts';
import { readingFile } from '../common/files.ts';
import { repeatedKey } from './json-keys.ts';

/** Where a tensor of a safetensors file lies. */
export interface StoredTensor {
  readonly name: string;
  /** As the format spells it: F32, F16, BF16, ... */
  readonly dtype: string;
  readonly dims: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly length: number;
}

/** What a safetensors file says before its numbers; these stay where they are. */
export interface SafetensorsHeader {
  readonly path: string;
  /** Size of the file. */
  readonly bytes: number;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Ends a reading with what is wrong. */
export type Fail = (what: string, hint?: string) => never;

/** Largest header that the format allows, in bytes. */
export const headerLimit = 100_000_000;

/** Bytes per element. */
const sizes: Readonly<Record<string, number>> = {
  ...{ F64: 8, F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1 },
  ...{ I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 },
};

/**
 * Reads the header of a file of any size. Whether the numbers behind it are all there is not asked.
 * @throws ParaError `safetensors` for a file that is none; what the file system throws
 */
export async function readHeader(path: string): Promise<SafetensorsHeader> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = Buffer.alloc(8);
    await file.read(start, 0, 8, 0);
    const text = Buffer.alloc(headerLength(start, size, failAt(path)));
    await file.read(text, 0, text.length, 8);
    return headerOf(path, size, text);
  } finally {
    await file.close();
  }
}

/** The same for those who cannot wait. @throws as `readHeader` */
export const readHeaderSync = (path: string): SafetensorsHeader =>
  readingFile(path, (fd) => {
    const { size } = fstatSync(fd);
    const start = Buffer.alloc(8);
    readSync(fd, start, 0, 8, 0);
    const text = Buffer.alloc(headerLength(start, size, failAt(path)));
    readSync(fd, text, 0, text.length, 8);
    return headerOf(path, size, text);
  });

/** Ends with what is wrong with the file of this name. */
export const failAt =
  (where: string): Fail =>
  (what, hint = 'the file is damaged or cut off; copy or download it again') => {
    throw new ParaError('safetensors', what, { where, hint });
  };

function headerOf(path: string, bytes: number, text: Uint8Array): SafetensorsHeader {
  const { entries, metadata } = parseHeader(text, failAt(path));
  return { path, bytes, tensors: new Map(entries.map((entry) => [entry.name, entry])), metadata };
}

/** Bytes of the header's JSON, which the first 8 bytes of a file tell. @param size bytes of the file */
export function headerLength(start: Uint8Array, size: number, fail: Fail): number {
  if (size < 8) return fail(`The file has ${size} bytes, too few for a safetensors header`);
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (length > headerLimit) return fail(`The header claims ${length} bytes, more than the format allows`);
  if (8 + length > size) return fail(`The header claims ${length} bytes, but only ${size - 8} follow`);
  return length;
}

/** Reads the JSON of a header strictly: one object without repeated keys, shapes that fit their bytes. */
export function parseHeader(
  bytes: Uint8Array,
  fail: Fail,
): { entries: StoredTensor[]; metadata: Record<string, string> } {
  if (bytes[0] !== 0x7b) return fail('This is not a safetensors file: its header does not start with "{"');
  let text = '';
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    return fail('The header is not valid JSON');
  }
  const repeated = repeatedKey(text);
  if (repeated !== undefined) return fail(`The header names "${repeated}" twice`);
  const { __metadata__: metadata, ...tensors } = value as Record<string, unknown>;
  return {
    entries: Object.entries(tensors).map(([name, entry]) => readEntry(name, entry, 8 + bytes.length, fail)),
    metadata: metadata === undefined ? {} : readMetadata(metadata, fail),
  };
}

function readMetadata(value: unknown, fail: Fail): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail('The metadata are not an object');
  for (const [key, text] of Object.entries(value))
    if (typeof text !== 'string') return fail(`The metadata entry "${key}" is not a text`);
  return value as Record<string, string>;
}

const isCount = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;

function readEntry(name: string, value: unknown, start: number, fail: Fail): StoredTensor {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail(`The header entry of ${name} is not an object`);
  const { dtype, shape, data_offsets: offsets, ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) return fail(`The header entry of ${name} has the unknown field "${unknown}"`);
  if (typeof dtype !== 'string' || !Object.hasOwn(sizes, dtype))
    return fail(
      `The tensor ${name} has the element type ${JSON.stringify(dtype)}`,
      `supported: ${Object.keys(sizes).join(', ')}`,
    );
  if (!Array.isArray(shape) || !shape.every(isCount))
    return fail(`The shape of ${name} is not a list of sizes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    return fail(`The data offsets of ${name} are not two positions`);
  const [begin, end] = offsets as [number, number];
  const size = (shape as number[]).reduce((a, b) => a * b, sizes[dtype]!);
  if (end - begin !== size)
    return fail(
      `The tensor ${name} of ${dtype}[${shape}] needs ${size} bytes, but its offsets hold ${end - begin}`,
    );
  return { name, dtype, dims: shape as number[], offset: start + begin, length: size };
}
