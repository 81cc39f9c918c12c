import { Kind, Type, TypeRegistry } from '@sinclair/typebox';

const kind = 'ArrayBuffer';
TypeRegistry.Set(kind, (_, value) => value instanceof ArrayBuffer);

/** Bytes, as they travel between extension and view without being turned into text. */
export const Bytes = Type.Unsafe<ArrayBuffer>({ [Kind]: kind });

/** Columns of equal length behind each other as f32: steps up to 2^24 are exact, and a chart has no use for more. */
export function packColumns(columns: readonly ArrayLike<number>[]): ArrayBuffer {
  const length = columns[0]?.length ?? 0;
  const packed = new Float32Array(columns.length * length);
  for (const [i, column] of columns.entries()) packed.set(column, i * length);
  return packed.buffer as ArrayBuffer;
}

/** The columns of `packColumns`. */
export function unpackColumns(bytes: ArrayBuffer, count: number): Float32Array[] {
  const length = bytes.byteLength / 4 / count;
  return Array.from({ length: count }, (_, i) => new Float32Array(bytes, i * length * 4, length));
}
