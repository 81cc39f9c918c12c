import { halfToNumber } from '../onnx/tensor-data.ts';
import type { FloatTensor } from './method.ts';
import { type Fail, failAt, headerLength, parseHeader, type StoredTensor } from './safetensors-header.ts';

/** Contents of a safetensors file, all numbers as f32. */
export interface SafetensorsFile {
  readonly tensors: Map<string, FloatTensor>;
  readonly metadata: Record<string, string>;
}

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

/**
 * Reads a safetensors file strictly: the header must be one JSON object without repeated keys, shapes must fit their
 * bytes, and the tensors must cover the data part exactly, without gap or overlap.
 * @param where named in errors, usually the path
 * @throws ParaError `safetensors` for anything else, and for values that are not numbers
 */
export function decodeSafetensors(bytes: Uint8Array, where = 'safetensors'): SafetensorsFile {
  const fail: Fail = failAt(where);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + headerLength(bytes, bytes.length, fail);
  const { entries, metadata } = parseHeader(bytes.subarray(8, start), fail);
  for (const { name, dtype } of entries)
    if (!Object.hasOwn(elements, dtype))
      return fail(
        `The tensor ${name} has the element type "${dtype}"`,
        `supported: ${Object.keys(elements).join(', ')}`,
      );
  checkCover(entries, start, bytes.length, fail);
  const tensors = new Map<string, FloatTensor>();
  for (const entry of entries) {
    const data = readNumbers(view, entry);
    if (!data.every(Number.isFinite))
      return fail(
        `The tensor ${entry.name} holds NaN or infinite values`,
        'it comes from a failed training; use an earlier checkpoint',
      );
    tensors.set(entry.name, { dims: entry.dims, data });
  }
  return { tensors, metadata };
}

function checkCover(entries: readonly StoredTensor[], start: number, end: number, fail: Fail): void {
  let at = start;
  for (const { name, offset, length } of [...entries].sort(
    (a, b) => a.offset - b.offset || a.length - b.length,
  )) {
    if (offset < at) fail(`The tensor ${name} overlaps the one before it`);
    if (offset > at) fail(`There is a gap of ${offset - at} bytes before the tensor ${name}`);
    at = offset + length;
  }
  if (at > end) fail(`The tensors need ${at - start} bytes of data, but the file holds ${end - start}`);
  if (at < end) fail(`${end - at} bytes follow the last tensor`);
}

function readNumbers(view: DataView, { dtype, offset, length }: StoredTensor): Float32Array {
  const { size, read } = elements[dtype]!;
  if (dtype === 'F32') {
    const from = view.byteOffset + offset;
    return new Float32Array(view.buffer.slice(from, from + length) as ArrayBuffer);
  }
  const data = new Float32Array(length / size);
  for (let i = 0; i < data.length; i++) data[i] = read(view, offset + i * size);
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
