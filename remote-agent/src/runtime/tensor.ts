/** Element types that cross the border of a session. */
export type ElementType = 'float32' | 'float16' | 'float64' | 'int64' | 'int32' | 'uint8' | 'bool';

export interface TensorData {
  float32: Float32Array;
  /** Bits of IEEE half precision (see `floatsFromHalf`). */
  float16: Uint16Array;
  float64: Float64Array;
  int64: BigInt64Array;
  int32: Int32Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

/** A dense row-major tensor; `data.length` is the product of `dims`. */
export type Tensor = {
  [T in ElementType]: { readonly type: T; readonly dims: readonly number[]; readonly data: TensorData[T] };
}[ElementType];

/** Number of elements of a shape. */
export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((a, b) => a * b, 1);
}

/** A float32 tensor over `data` (not copied when it already is a Float32Array). */
export function f32(dims: readonly number[], data: ArrayLike<number>): Tensor {
  return { type: 'float32', dims, data: data instanceof Float32Array ? data : Float32Array.from(data) };
}

/** A float64 tensor over `data` (not copied when it already is a Float64Array). */
export function f64(dims: readonly number[], data: ArrayLike<number>): Tensor {
  return { type: 'float64', dims, data: data instanceof Float64Array ? data : Float64Array.from(data) };
}

/** A float16 tensor from the bits of its elements. */
export function f16(dims: readonly number[], data: Uint16Array): Tensor {
  return { type: 'float16', dims, data };
}

/** An int64 tensor. */
export function i64(dims: readonly number[], data: ArrayLike<number | bigint>): Tensor {
  return { type: 'int64', dims, data: BigInt64Array.from(Array.from(data, BigInt)) };
}

/** An int32 tensor. */
export function i32(dims: readonly number[], data: ArrayLike<number>): Tensor {
  return { type: 'int32', dims, data: Int32Array.from(data) };
}

/** A tensor of `type` from plain numbers; float16 is rounded to the nearest even. */
export function tensorOf(type: ElementType, dims: readonly number[], values: ArrayLike<number>): Tensor {
  switch (type) {
    case 'float32':
      return f32(dims, values);
    case 'float64':
      return f64(dims, values);
    case 'float16':
      return f16(dims, halfFromFloats(values));
    case 'int64':
      return i64(dims, values);
    case 'int32':
      return i32(dims, values);
    case 'uint8':
    case 'bool':
      return { type, dims, data: Uint8Array.from(values) };
  }
}

/** The elements as float32 (int64 and f64 are rounded); shares memory where they already are. */
export function toFloats(tensor: Tensor): Float32Array {
  if (tensor.type === 'float32') return tensor.data;
  if (tensor.type === 'float16') return floatsFromHalf(tensor.data);
  if (tensor.type === 'int64') return Float32Array.from(tensor.data, Number);
  return Float32Array.from(tensor.data);
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** IEEE half-precision bits of each number, rounded to nearest, ties to even; overflow becomes infinity. */
export function halfFromFloats(values: ArrayLike<number>): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    float[0] = values[i]!;
    out[i] = halfBits(word[0]!);
  }
  return out;
}

function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds to infinity
  if (magnitude >= 0x38800000) {
    const rebased = magnitude - 0x38000000;
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  if (magnitude < 0x33000000) return sign; // below half of the smallest subnormal
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const half = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  return sign | (half + (rest > tie || (rest === tie && half & 1) ? 1 : 0));
}

/** Float32 values of IEEE half-precision bits (exact). */
export function floatsFromHalf(bits: Uint16Array): Float32Array {
  const out = new Float32Array(bits.length);
  const words = new Uint32Array(out.buffer);
  for (let i = 0; i < bits.length; i++) {
    const h = bits[i]!;
    const sign = (h & 0x8000) << 16;
    const exponent = (h >>> 10) & 31;
    const mantissa = h & 0x3ff;
    if (exponent === 31) words[i] = sign | 0x7f800000 | (mantissa << 13);
    else if (exponent > 0) words[i] = sign | ((exponent + 112) << 23) | (mantissa << 13);
    // Subnormal: mantissa times two to the minus 24.
    else out[i] = ((sign ? -1 : 1) * mantissa) / 0x1000000;
  }
  return out;
}
