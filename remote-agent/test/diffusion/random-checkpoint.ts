import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';

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

/** Shapes of the architecture's checkpoint at full size, by name. */
export const fullSizeShapes = (architecture: string) =>
  JSON.parse(gunzipSync(readFileSync(join(folder, `${architecture}.full.json.gz`))).toString()) as Record<
    string,
    number[]
  >;

/** One of its arrays. */
export function golden(file: CheckpointGolden, name: string): Float32Array {
  const { data } = file[name] as { data: string };
  return new Float32Array(new Uint8Array(Buffer.from(data, 'base64')).buffer);
}

/**
 * Weights by a hash of name and position, the same as in `tools/golden/checkpoints.py`: numbers that F32, F16 and
 * BF16 hold alike.
 */
function randomWeights(name: string, dims: readonly number[]): Float32Array<ArrayBuffer> {
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

/** What a tensor of a file is filled with. */
interface Content {
  readonly dims: readonly number[];
  readonly values: () => Float32Array;
}

function openWithHeader(
  path: string,
  tensors: Readonly<Record<string, { readonly dims: readonly number[] }>>,
  dtype: Dtype,
  metadata?: Readonly<Record<string, string>>,
): { fd: number; bytes: number } {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let at = 0;
  for (const [name, { dims }] of Object.entries(tensors)) {
    const begin = at;
    at += dims.reduce((a, b) => a * b, dtype === 'F32' ? 4 : 2);
    header[name] = { dtype, shape: dims, data_offsets: [begin, at] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, 'w');
  writeSync(fd, length);
  writeSync(fd, json);
  return { fd, bytes: 8 + json.length + at };
}

/** Writes a file whose numbers are all zero and take no room. @param tensors shapes by name */
export function writeHeader(
  path: string,
  tensors: Readonly<Record<string, readonly number[]>>,
  dtype: Dtype = 'F32',
): void {
  const shapes = Object.entries(tensors).map(([name, dims]) => [name, { dims }]);
  const { fd, bytes } = openWithHeader(path, Object.fromEntries(shapes), dtype);
  ftruncateSync(fd, bytes);
  closeSync(fd);
}

function writeTensors(
  path: string,
  tensors: Readonly<Record<string, Content>>,
  dtype: Dtype,
  metadata?: Readonly<Record<string, string>>,
): void {
  const { fd } = openWithHeader(path, tensors, dtype, metadata);
  for (const { values } of Object.values(tensors)) writeSync(fd, bytesOf(values(), dtype));
  closeSync(fd);
}

const asItIs = (name: string) => name;

/** Writes a safetensors file of random weights. @param tensors shapes by name @param called their names in the file */
export function writeCheckpoint(
  path: string,
  tensors: Readonly<Record<string, readonly number[]>>,
  dtype: Dtype = 'F32',
  metadata?: Readonly<Record<string, string>>,
  called: (name: string) => string = asItIs,
): void {
  const contents = Object.entries(tensors).map(([name, dims]): [string, Content] => [
    called(name),
    { dims, values: () => randomWeights(name, dims) },
  ]);
  writeTensors(path, Object.fromEntries(contents), dtype, metadata);
}

/** A tensor in diffusers' names: its name in the checkpoint, its shape, which third of it, whether turned. */
export type SameTensor = readonly [string, readonly number[], 0 | 1 | 2 | null, boolean];

interface DiffusersGolden {
  readonly tensors: Readonly<Record<string, Readonly<Record<string, SameTensor>>>>;
  readonly configs: Readonly<Record<string, unknown>>;
}

const diffusersGolden = (architecture: string) =>
  JSON.parse(
    gunzipSync(readFileSync(join(folder, `${architecture}.diffusers.json.gz`))).toString(),
  ) as DiffusersGolden;

/** The numbers of a tensor that is one of the checkpoint's, or a third of it, or it turned. */
export function sameNumbers(
  file: CheckpointGolden,
  [name, dims, third, turned]: SameTensor,
): Float32Array<ArrayBuffer> {
  const whole = randomWeights(name, file.tensors[name]!);
  const part =
    third === null ? whole : whole.slice((third * whole.length) / 3, ((third + 1) * whole.length) / 3);
  if (!turned) return part;
  const [columns = 0, rows = 0] = dims;
  return Float32Array.from(part, (_, i) => part[(i % rows) * columns + Math.floor(i / rows)]!);
}

/** What the part of a folder of diffusers holds, of the numbers that the checkpoint has. */
function contentsOf(file: CheckpointGolden, part: Readonly<Record<string, SameTensor>>) {
  return Object.entries(part).map(([name, same]): [string, Content] => [
    name,
    { dims: same[1], values: () => sameNumbers(file, same) },
  ]);
}

export interface FolderStyle {
  readonly dtype?: Dtype;
  /** Ending of files before `.safetensors`, as `.fp16`. */
  readonly variant?: string;
  /** Number of files that the U-Net's weights are spread over. */
  readonly shards?: number;
}

/** Writes the folder that diffusers saves of the golden checkpoint. */
export function writeDiffusersFolder(
  path: string,
  architecture: 'sd' | 'sdxl',
  { dtype = 'F32', variant = '', shards = 1 }: FolderStyle = {},
): void {
  const { tensors, configs } = diffusersGolden(architecture);
  const file = checkpointGolden(architecture);
  for (const [name, config] of Object.entries(configs)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), JSON.stringify(config));
  }
  for (const [part, same] of Object.entries(tensors)) {
    const stem = part.startsWith('text_') ? 'model' : 'diffusion_pytorch_model';
    const contents = contentsOf(file, same);
    const count = part === 'unet' ? shards : 1;
    if (count === 1) {
      const whole = join(path, part, `${stem}${variant}.safetensors`);
      writeTensors(whole, Object.fromEntries(contents), dtype);
      continue;
    }
    const map: Record<string, string> = {};
    for (let n = 0; n < count; n++) {
      const name = `${stem}${variant}-0000${n + 1}-of-0000${count}.safetensors`;
      const mine = contents.filter((_, i) => i % count === n);
      for (const [tensor] of mine) map[tensor] = name;
      writeTensors(join(path, part, name), Object.fromEntries(mine), dtype);
    }
    const index = join(path, part, `${stem}.safetensors.index${variant}.json`);
    writeFileSync(index, JSON.stringify({ weight_map: map }));
  }
}

/** Writes the VAE of the golden checkpoint alone, in the names of diffusers. */
export function writeDiffusersVae(
  path: string,
  architecture: 'sd' | 'sdxl',
  dtype: Dtype = 'F32',
  called: (name: string) => string = asItIs,
): void {
  const contents = contentsOf(checkpointGolden(architecture), diffusersGolden(architecture).tensors.vae!);
  const named = contents.map(([name, content]) => [called(name), content]);
  writeTensors(path, Object.fromEntries(named), dtype);
}
