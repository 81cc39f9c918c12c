import { ParaError } from '../common/errors.ts';
import { halfToNumber } from '../onnx/tensor-data.ts';
import { repeatedKey } from './json-keys.ts';
import type { FloatTensor } from './method.ts';

/** Contents of a safetensors file, all numbers as f32. */
export interface SafetensorsFile {
  readonly tensors: Map<string, FloatTensor>;
  readonly metadata: Record<string, string>;
}

/** Largest header that the format allows, in bytes. */
const headerLimit = 100_000_000;

type Reader = (view: DataView, at: number) => number;

/** Size in bytes and reader of each element type that adapters use. */
const elements: Readonly<Record<string, { size: number; read: Reader }>> = {
  F64: { size: 8, read: (v, at) => v.getFloat64(at, true) },
  F32: { size: 4, read: (v, at) => v.getFloat32(at, true) },
  F16: { size: 2, read: (v, at) => halfToNumber(v.getUint16(at, true)) },
  BF16: { size: 2, read: (v, at) => wideBfloat(v.getUint16(at, true)) },
  I64: { size: 8, read: (v, at) => Number(v.getBigInt64(at, true)) },
  I32: { size: 4, read: (v, at) => v.getInt32(at, true) },
  I16: { size: 2, read: (v, at) => v.getInt16(at, true) },
  I8: { size: 1, read: (v, at) => v.getInt8(at) },
  U8: { size: 1, read: (v, at) => v.getUint8(at) },
  BOOL: { size: 1, read: (v, at) => v.getUint8(at) },
};

const scratch = new DataView(new ArrayBuffer(4));

function wideBfloat(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly dims: number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a safetensors file strictly: the header must be one JSON object without repeated keys, shapes must fit their
 * bytes, and the tensors must cover the data part exactly, without gap or overlap.
 * @param where named in errors, usually the path
 * @throws ParaError `safetensors` for anything else, and for values that are not numbers
 */
export function decodeSafetensors(bytes: Uint8Array, where = 'safetensors'): SafetensorsFile {
  const fail = (what: string, hint = 'the file is damaged or cut off; copy or download it again'): never => {
    throw new ParaError('safetensors', what, { where, hint });
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 8) return fail(`The file has ${bytes.length} bytes, too few for a safetensors header`);
  const headerLength = Number(view.getBigUint64(0, true));
  if (headerLength > headerLimit)
    return fail(`The header claims ${headerLength} bytes, more than the format allows`);
  if (8 + headerLength > bytes.length)
    return fail(`The header claims ${headerLength} bytes, but only ${bytes.length - 8} follow`);
  const header = parseHeader(bytes.subarray(8, 8 + headerLength), fail);
  const start = 8 + headerLength;
  const metadata = readMetadata(header, fail);
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => readEntry(name, value, fail));
  checkCover(entries, bytes.length - start, fail);
  const tensors = new Map<string, FloatTensor>();
  for (const entry of entries) {
    const data = readNumbers(view, start, entry);
    if (!data.every(Number.isFinite))
      return fail(
        `The tensor ${entry.name} holds NaN or infinite values`,
        'it comes from a failed training; use an earlier checkpoint',
      );
    tensors.set(entry.name, { dims: entry.dims, data });
  }
  return { tensors, metadata };
}

type Fail = (what: string, hint?: string) => never;

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
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
  return value as Record<string, unknown>;
}

function readMetadata(header: Record<string, unknown>, fail: Fail): Record<string, string> {
  if (!Object.hasOwn(header, '__metadata__')) return {};
  const value = header.__metadata__;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail('The metadata are not an object');
  for (const [key, text] of Object.entries(value))
    if (typeof text !== 'string') return fail(`The metadata entry "${key}" is not a text`);
  return value as Record<string, string>;
}

const isCount = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;

function readEntry(name: string, value: unknown, fail: Fail): Entry {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail(`The header entry of ${name} is not an object`);
  const { dtype, shape, data_offsets: offsets, ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) return fail(`The header entry of ${name} has the unknown field "${unknown}"`);
  if (typeof dtype !== 'string' || !Object.hasOwn(elements, dtype))
    return fail(
      `The tensor ${name} has the element type ${JSON.stringify(dtype)}`,
      `supported: ${Object.keys(elements).join(', ')}`,
    );
  if (!Array.isArray(shape) || !shape.every(isCount))
    return fail(`The shape of ${name} is not a list of sizes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    return fail(`The data offsets of ${name} are not two positions`);
  const [begin, end] = offsets as [number, number];
  const size = (shape as number[]).reduce((a, b) => a * b, elements[dtype]!.size);
  if (end - begin !== size)
    return fail(
      `The tensor ${name} of ${dtype}[${shape}] needs ${size} bytes, but its offsets hold ${end - begin}`,
    );
  return { name, dtype, dims: shape as number[], begin, end };
}

function checkCover(entries: readonly Entry[], available: number, fail: Fail): void {
  let at = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < at) fail(`The tensor ${name} overlaps the one before it`);
    if (begin > at) fail(`There is a gap of ${begin - at} bytes before the tensor ${name}`);
    at = end;
  }
  if (at > available) fail(`The tensors need ${at} bytes of data, but the file holds ${available}`);
  if (at < available) fail(`${available - at} bytes follow the last tensor`);
}

function readNumbers(view: DataView, start: number, { dtype, begin, end }: Entry): Float32Array {
  const { size, read } = elements[dtype]!;
  if (dtype === 'F32') {
    const from = view.byteOffset + start + begin;
    return new Float32Array(view.buffer.slice(from, from + end - begin) as ArrayBuffer);
  }
  const data = new Float32Array((end - begin) / size);
  for (let i = 0; i < data.length; i++) data[i] = read(view, start + begin + i * size);
  return data;
}

/**
 * A safetensors file of f32 tensors. Its bytes follow from names, values and metadata alone: tensors lie in the
 * order of their names, metadata keys are sorted, and the header is padded with spaces to 8 bytes.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, FloatTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const header: Record<string, unknown> = {};
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0) header.__metadata__ = Object.fromEntries(keys.map((key) => [key, metadata[key]]));
  const names = [...tensors.keys()].sort();
  let at = 0;
  const entries: [string, unknown][] = names.map((name) => {
    const { dims, data } = tensors.get(name)!;
    const begin = at;
    at += data.length * 4;
    return [name, { dtype: 'F32', shape: dims, data_offsets: [begin, at] }];
  });
  const text = JSON.stringify(Object.fromEntries([...Object.entries(header), ...entries]));
  const json = new TextEncoder().encode(text);
  const headerLength = Math.ceil(json.length / 8) * 8;
  const out = new Uint8Array(8 + headerLength + at).fill(0x20, 8, 8 + headerLength);
  new DataView(out.buffer).setBigUint64(0, BigInt(headerLength), true);
  out.set(json, 8);
  let position = 8 + headerLength;
  for (const name of names) {
    const { data } = tensors.get(name)!;
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return out;
}
