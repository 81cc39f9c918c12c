import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A golden file of `tools/golden/checkpoints.py`. */
export interface CheckpointGolden {
  /** Shapes by name. */
  readonly tensors: Record<string, number[]>;
  readonly prompt: string;
  readonly negative: string;
  readonly timestep: number;
  readonly [array: string]: unknown;
}

const folder = join(import.meta.dirname, '../golden/checkpoints');

export const checkpointGolden = (architecture: string) =>
  JSON.parse(readFileSync(join(folder, `${architecture}.json`), 'utf8')) as CheckpointGolden;

/** One of its arrays. */
export function golden(file: CheckpointGolden, name: string): Float32Array {
  const { data } = file[name] as { data: string };
  return new Float32Array(new Uint8Array(Buffer.from(data, 'base64')).buffer);
}

/**
 * Weights by a hash of name and position, the same as in `tools/golden/checkpoints.py`: numbers that F32, F16 and
 * BF16 hold alike.
 */
function randomWeights(name: string, dims: readonly number[]): Float32Array {
  let seed = 2166136261;
  for (const byte of Buffer.from(name)) seed = Math.imul(seed ^ byte, 16777619);
  const values = new Float32Array(dims.reduce((a, b) => a * b, 1));
  const fanIn = dims.slice(1).reduce((a, b) => a * b, 1);
  const scale = 2 ** Math.floor(0.5 * Math.log2(3 / fanIn) + 0.5);
  const norm = name.endsWith('.weight');
  for (let i = 0; i < values.length; i++) {
    let x = (Math.imul(i, 0x9e3779b1) + seed) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    const value = ((x ^ (x >>> 15)) >>> 24) / 128 - 1;
    if (dims.length > 1) values[i] = value * scale;
    else values[i] = norm ? Math.floor(value * 8) / 32 + 1 : value / 16;
  }
  return values;
}

export type Dtype = 'F32' | 'F16' | 'BF16';

const word = new Float32Array(1);
const bits = new Uint32Array(word.buffer);

/** Bits of a number that the type holds exactly. */
function half(value: number, dtype: Dtype): number {
  word[0] = value;
  const all = bits[0]!;
  if (dtype === 'BF16') return all >>> 16;
  const sign = (all >>> 16) & 0x8000;
  const exponent = ((all >>> 23) & 255) - 112;
  if (exponent > 0) return sign | (exponent << 10) | ((all >>> 13) & 1023);
  return sign | (Math.abs(value) * 2 ** 24);
}

function bytesOf(values: Float32Array, dtype: Dtype): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer);
  return new Uint8Array(Uint16Array.from(values, (value) => half(value, dtype)).buffer);
}

/** Writes a safetensors file of random weights. @param tensors shapes by name */
export function writeCheckpoint(
  path: string,
  tensors: Readonly<Record<string, readonly number[]>>,
  dtype: Dtype = 'F32',
): void {
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const [name, shape] of Object.entries(tensors)) {
    const begin = at;
    at += shape.reduce((a, b) => a * b, dtype === 'F32' ? 4 : 2);
    header[name] = { dtype, shape, data_offsets: [begin, at] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, 'w');
  writeSync(fd, length);
  writeSync(fd, json);
  for (const [name, shape] of Object.entries(tensors))
    writeSync(fd, bytesOf(randomWeights(name, shape), dtype));
  closeSync(fd);
}
