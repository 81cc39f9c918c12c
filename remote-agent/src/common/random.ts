/**
 * The project's only source of randomness that reaches a tensor: Philox 4x32-10, the counter-based generator of
 * Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Key = the seed's 64 bits, counter =
 * (block number, 0, stream low, stream high), so every (seed, stream, position) is independent of what was drawn
 * before. Only 32-bit integer arithmetic, + - * / and Math.sqrt on doubles are used: the same bits on every machine.
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the unsigned product of two 32-bit integers. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const crossed = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(crossed / 0x10000)) >>> 0;
}

/** One block of Philox 4x32-10: four words of counter and two of key in, four words into `out`. */
export function philox(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
): void {
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/**
 * A reproducible sequence. `seed` is an integer from 0 to 2^53 - 1; `stream` separates uses of one seed: an
 * integer in the same range, or a text such as `'noise'` (hashed). Two values are drawn from each Philox block.
 */
export class Random {
  readonly #key: readonly [number, number];
  readonly #stream: readonly [number, number];
  readonly #words = new Uint32Array(4);
  #position = 0;

  constructor(seed: number, stream: number | string = 0) {
    this.#key = split(seed);
    this.#stream = typeof stream === 'string' ? hashText(stream) : split(stream);
  }

  /** How many values were drawn so far; set it to continue from anywhere. */
  get position(): number {
    return this.#position;
  }

  set position(value: number) {
    this.#position = value;
    if (value % 2 === 1) this.#fill();
  }

  /** A real in the open interval (0, 1): (k + 1/2) / 2^52 with k of 52 random bits. */
  uniform(): number {
    const odd = this.#position % 2;
    if (odd === 0) this.#fill();
    this.#position++;
    const high = this.#words[2 * odd]! >>> 6; // 26 bits
    const low = this.#words[2 * odd + 1]! >>> 6; // 26 bits
    return (high * 0x4000000 + low + 0.5) / 0x10000000000000;
  }

  /** A whole number from 0 to `below - 1`. */
  integer(below: number): number {
    return Math.floor(this.uniform() * below);
  }

  /** A draw from the standard normal distribution: the inverse of its cumulative distribution at `uniform()`. */
  normal(): number {
    return normalQuantile(this.uniform());
  }

  /** `items` in random order (Fisher-Yates), as a new list. */
  shuffled<T>(items: readonly T[]): T[] {
    const list = [...items];
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [list[i], list[j]] = [list[j]!, list[i]!];
    }
    return list;
  }

  #fill(): void {
    const block = Math.floor(this.#position / 2);
    const [k0, k1] = this.#key;
    const [s0, s1] = this.#stream;
    philox(block >>> 0, Math.floor(block / 0x100000000) >>> 0, s0, s1, k0, k1, this.#words);
  }
}

/** `n` standard normal values as f32, from position 0 of (`seed`, `stream`). */
export function normals(seed: number, stream: number | string, n: number): Float32Array {
  const random = new Random(seed, stream);
  const values = new Float32Array(n);
  for (let i = 0; i < n; i++) values[i] = random.normal();
  return values;
}

function split(value: number): [number, number] {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`A seed is a whole number from 0 to 2^53 - 1, not ${value}`);
  return [value >>> 0, Math.floor(value / 0x100000000) >>> 0];
}

/** Two FNV-1a hashes over the UTF-16 units; the top bit keeps texts apart from numbered streams. */
function hashText(text: string): [number, number] {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x01000193) ^ (b >>> 15);
  }
  return [a >>> 0, (b | 0x80000000) >>> 0];
}

const bits = new DataView(new ArrayBuffer(8));
const LN2 = Math.LN2;
/** 1/23, 1/21, ..., 1/3: coefficients of atanh's series. */
const SERIES = Array.from({ length: 11 }, (_, i) => 1 / (23 - 2 * i));

/** Natural logarithm of a positive normal double by ln 2 and the series of atanh (error about 1 ulp). */
export function logarithm(x: number): number {
  bits.setFloat64(0, x);
  let exponent = (bits.getUint32(0) >>> 20) - 1023;
  bits.setUint32(0, (bits.getUint32(0) & 0xfffff) | 0x3ff00000);
  let mantissa = bits.getFloat64(0);
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent++;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const square = s * s;
  let sum = 0;
  for (const c of SERIES) sum = square * (c + sum);
  return exponent * LN2 + 2 * (s + s * sum);
}

// Algorithm AS 241 (PPND16): M. J. Wichura, Applied Statistics 37 (1988), 477-484; relative error about 1e-16.
const CENTRE = [
  [
    2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946,
    1971.5909503065513, 133.14166789178438, 3.3871328727963665,
  ],
  [
    5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751,
    687.1870074920579, 42.31333070160091, 1,
  ],
] as const;
const SHOULDER = [
  [
    0.0007745450142783414, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045,
    5.769497221460691, 4.630337846156546, 1.4234371107496835,
  ],
  [
    1.0507500716444169e-9, 0.0005475938084995345, 0.015198666563616457, 0.14810397642748008, 0.6897673349851,
    1.6763848301838038, 2.053191626637759, 1,
  ],
] as const;
const TAIL = [
  [
    2.0103343992922881e-7, 2.7115555687434876e-5, 0.0012426609473880784, 0.026532189526576124,
    0.29656057182850487, 1.7848265399172913, 5.463784911164114, 6.657904643501103,
  ],
  [
    2.0442631033899397e-15, 1.421511758316446e-7, 1.8463183175100548e-5, 0.0007868691311456133,
    0.014875361290850615, 0.1369298809227358, 0.599832206555888, 1,
  ],
] as const;

function ratio(table: readonly [readonly number[], readonly number[]], x: number): number {
  let above = 0;
  let below = 0;
  for (const c of table[0]) above = above * x + c;
  for (const c of table[1]) below = below * x + c;
  return above / below;
}

/** The z with P(Z <= z) = p for a standard normal Z; p in (0, 1). */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (q >= -0.425 && q <= 0.425) return q * ratio(CENTRE, 0.180625 - q * q);
  const r = Math.sqrt(-logarithm(q < 0 ? p : 1 - p));
  const z = r <= 5 ? ratio(SHOULDER, r - 1.6) : ratio(TAIL, r - 5);
  return q < 0 ? -z : z;
}
