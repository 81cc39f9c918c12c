import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { isAbsolute, join, normalize, sep } from 'node:path';
import { ParaError } from '../common/errors.ts';
import type { Graph } from './graph.ts';
import { type TensorProto, TensorProto_DataLocation } from './proto/onnx_pb.ts';
import { DataType } from './types.ts';

/** Bytes per element of the types that occur in models. */
export const elementSize: Partial<Record<DataType, number>> = {
  [DataType.FLOAT]: 4,
  [DataType.UINT8]: 1,
  [DataType.INT8]: 1,
  [DataType.INT32]: 4,
  [DataType.INT64]: 8,
  [DataType.BOOL]: 1,
  [DataType.FLOAT16]: 2,
  [DataType.DOUBLE]: 8,
  [DataType.BFLOAT16]: 2,
};

/** Dimensions of a tensor as numbers. */
export const dimsOf = (tensor: TensorProto): number[] => tensor.dims.map(Number);

/** Number of elements of a shape; 1 for a scalar. */
export const countOf = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Where an external tensor lies: absolute path, byte offset and length. @throws ParaError for paths that leave the folder */
export function externalLocation(
  tensor: TensorProto,
  directory: string | undefined,
): { path: string; offset: number; length: number } {
  const entries = new Map(tensor.externalData.map((e) => [e.key, e.value]));
  const location = entries.get('location') ?? '';
  const bad = isAbsolute(location) || normalize(location).split(sep).includes('..') || location === '';
  if (bad || directory === undefined)
    throw new ParaError(
      'model-file',
      `Weight ${tensor.name} names the file "${location}" outside its folder`,
      {
        where: directory ?? tensor.name,
        hint: 'export the model again; external data must lie beside the .onnx file',
      },
    );
  const expected = countOf(dimsOf(tensor)) * (elementSize[tensor.dataType as DataType] ?? 0);
  const length = Number(entries.get('length') ?? expected);
  if (length !== expected)
    throw new ParaError(
      'model-file',
      `Weight ${tensor.name} has ${length} bytes where its shape needs ${expected}`,
      {
        where: join(directory, location),
        hint: 'the file is damaged; download or export it again',
      },
    );
  return { path: join(directory, location), offset: Number(entries.get('offset') ?? 0), length };
}

/** The tensor's little-endian bytes, read from its external file where it has one. */
export function tensorBytes(graph: Graph, tensor: TensorProto): Uint8Array {
  if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    const { path, offset, length } = externalLocation(tensor, graph.directory);
    const fd = openExternal(path, tensor.name);
    try {
      const bytes = new Uint8Array(length);
      if (readSync(fd, bytes, 0, length, offset) !== length)
        throw new ParaError('model-file', `The weights file ends before weight ${tensor.name} does`, {
          where: path,
          hint: 'the file was cut off; download or copy it again',
        });
      return bytes;
    } finally {
      closeSync(fd);
    }
  }
  if (tensor.rawData.length > 0 || countOf(dimsOf(tensor)) === 0) return tensor.rawData;
  return typedFieldBytes(tensor);
}

function openExternal(path: string, name: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new ParaError('model-file', `The weights file of ${name} is missing`, {
      where: path,
      hint: 'copy the whole model folder, with its .data files',
      cause,
    });
  }
}

/** Checks that every external tensor lies inside an existing file. */
export function checkExternalData(graph: Graph): void {
  const sizes = new Map<string, number>();
  for (const tensor of graph.initializers.values()) {
    if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) continue;
    const { path, offset, length } = externalLocation(tensor, graph.directory);
    let size = sizes.get(path);
    if (size === undefined) {
      const fd = openExternal(path, tensor.name);
      size = fstatSync(fd).size;
      closeSync(fd);
      sizes.set(path, size);
    }
    if (offset + length > size)
      throw new ParaError('model-file', `The weights file ends before weight ${tensor.name} does`, {
        where: path,
        hint: 'the file was cut off; download or copy it again',
      });
  }
}

function typedFieldBytes(tensor: TensorProto): Uint8Array {
  const bytes = (a: ArrayBufferLike) => new Uint8Array(a as ArrayBuffer);
  switch (tensor.dataType as DataType) {
    case DataType.FLOAT:
      return bytes(Float32Array.from(tensor.floatData).buffer);
    case DataType.DOUBLE:
      return bytes(Float64Array.from(tensor.doubleData).buffer);
    case DataType.INT64:
      return bytes(BigInt64Array.from(tensor.int64Data).buffer);
    case DataType.INT32:
      return bytes(Int32Array.from(tensor.int32Data).buffer);
    case DataType.FLOAT16:
    case DataType.BFLOAT16:
      return bytes(Uint16Array.from(tensor.int32Data).buffer);
    default:
      return Uint8Array.from(tensor.int32Data);
  }
}

const scratch = new DataView(new ArrayBuffer(4));

/** One IEEE 754 half as a number. */
export function halfToNumber(h: number): number {
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  const sign = h & 0x8000 ? -1 : 1;
  if (exponent === 0) return (sign * fraction) / 0x1000000;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  scratch.setUint32(0, ((h & 0x8000) << 16) | ((exponent + 112) << 23) | (fraction << 13));
  return scratch.getFloat32(0);
}

/** The tensor's elements as f32[count]; reads f32, f16, bf16, f64 and integers. */
export function toFloat32(graph: Graph, tensor: TensorProto): Float32Array {
  const raw = tensorBytes(graph, tensor);
  const aligned = raw.byteOffset % 8 === 0 ? raw : raw.slice();
  const { buffer, byteOffset, byteLength } = aligned;
  switch (tensor.dataType as DataType) {
    case DataType.FLOAT:
      return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
    case DataType.DOUBLE:
      return Float32Array.from(new Float64Array(buffer, byteOffset, byteLength / 8));
    case DataType.FLOAT16:
      return Float32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), halfToNumber);
    case DataType.BFLOAT16: {
      const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
      const words = Uint32Array.from(halves, (h) => h << 16);
      return new Float32Array(words.buffer);
    }
    case DataType.INT64:
      return Float32Array.from(new BigInt64Array(buffer, byteOffset, byteLength / 8), Number);
    case DataType.INT32:
      return Float32Array.from(new Int32Array(buffer, byteOffset, byteLength / 4));
    case DataType.BOOL:
    case DataType.UINT8:
      return Float32Array.from(aligned);
    default:
      throw new ParaError(
        'model-file',
        `Weight ${tensor.name} has element type ${DataType[tensor.dataType]}`,
        {
          where: tensor.name,
          hint: 'export the model with float32 or float16 weights',
        },
      );
  }
}

/** Elements as plain numbers, exact for reals and for integers below 2^53. */
export function toNumbers(graph: Graph, tensor: TensorProto): number[] {
  const type = tensor.dataType as DataType;
  if (type !== DataType.INT64 && type !== DataType.INT32 && type !== DataType.DOUBLE)
    return Array.from(toFloat32(graph, tensor));
  const { buffer } = tensorBytes(graph, tensor).slice();
  if (type === DataType.INT64) return Array.from(new BigInt64Array(buffer), Number);
  return Array.from(type === DataType.INT32 ? new Int32Array(buffer) : new Float64Array(buffer));
}
