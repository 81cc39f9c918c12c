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
const LN2 = 0.6931471805599453;

/** Natural logarithm of a positive normal double by ln 2 and the series of atanh (error about 1 ulp). */
export function logarithm(x: number): number {
  bits.setFloat64(0, x);
  let exponent = (bits.getUint32(0) >>> 20) - 1023;
  bits.setUint32(0, (bits.getUint32(0) & 0xfffff) | 0x3ff00000);
  let mantissa = bits.getFloat64(0);
  if (mantissa > 1.4142135623730951) {
    mantissa /= 2;
    exponent++;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const square = s * s;
  let sum = 0;
  for (let k = 23; k >= 3; k -= 2) sum = square * (1 / k + sum);
  return exponent * LN2 + 2 * (s + s * sum);
}

// Algorithm AS 241 (PPND16): M. J. Wichura, Applied Statistics 37 (1988), 477-484; relative error about 1e-16.
const CENTRE = [
  [
    2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
    1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.387132872796366608,
  ],
  [
    5.226495278852854561e3, 2.8729085735721942674e4, 3.930789580009271061e4, 2.1213794301586595867e4,
    5.3941960214247511077e3, 6.871870074920579083e2, 4.2313330701600911252e1, 1,
  ],
] as const;
const SHOULDER = [
  [
    7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.4178072517745061177e-1, 1.27045825245236838258,
    3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
  ],
  [
    1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2, 1.4810397642748007459e-1,
    6.8976733498510000455e-1, 1.6763848301838038494, 2.05319162663775882187, 1,
  ],
] as const;
const TAIL = [
  [
    2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.2426609473880784386e-3, 2.6532189526576123093e-2,
    2.9656057182850489123e-1, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772,
  ],
  [
    2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
    1.48753612908506148525e-2, 1.3692988092273580531e-1, 5.9983220655588793769e-1, 1,
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
