import { expect, test } from 'vitest';
import type { FloatTensor } from '../../src/adapters/method.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/adapters/safetensors.ts';
import { ParaError } from '../../src/common/errors.ts';
import { normals, Random } from '../../src/common/random.ts';

const tensors = new Map<string, FloatTensor>([
  ['b.weight', { dims: [2, 3], data: normals(1, 'b', 6) }],
  ['a.weight', { dims: [4], data: normals(1, 'a', 4) }],
  ['scalar', { dims: [], data: Float32Array.of(2.5) }],
  ['empty', { dims: [0, 7], data: new Float32Array() }],
]);
const metadata = { 'modelspec.title': 'a "quoted" name', ss_steps: '200' };

/** A file with this header (text or object) and this many bytes of data. */
function file(header: unknown, dataBytes = 0, claimed?: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const out = new Uint8Array(8 + json.length + dataBytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(claimed ?? json.length), true);
  out.set(json, 8);
  return out;
}

/** Code and message with which the bytes are refused. */
function refusal(bytes: Uint8Array): string {
  try {
    decodeSafetensors(bytes);
    return 'accepted';
  } catch (error) {
    if (error instanceof ParaError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

test('what is written is read back, bit for bit', () => {
  const bytes = encodeSafetensors(tensors, metadata);
  const back = decodeSafetensors(bytes);
  expect(back.metadata).toEqual(metadata);
  expect([...back.tensors].sort()).toEqual([...tensors].sort());
});

test('the same tensors give the same bytes in whatever order they are given', () => {
  const other = new Map([...tensors].reverse());
  const turned = { ss_steps: '200', 'modelspec.title': 'a "quoted" name' };
  expect(encodeSafetensors(other, turned)).toEqual(encodeSafetensors(tensors, metadata));
});

test('half precision, bfloat16, double and integers are read as f32', () => {
  const types: [string, number[], number[]][] = [
    ['F16', [0x00, 0x3c, 0x00, 0xc0], [1, -2]],
    ['BF16', [0x80, 0x3f, 0x00, 0xc0], [1, -2]],
    ['F64', [0, 0, 0, 0, 0, 0, 0xf0, 0x3f], [1]],
    ['I64', [255, 255, 255, 255, 255, 255, 255, 255], [-1]],
    ['U8', [200], [200]],
  ];
  for (const [dtype, raw, values] of types) {
    const bytes = file({ x: { dtype, shape: [values.length], data_offsets: [0, raw.length] } }, raw.length);
    bytes.set(raw, bytes.length - raw.length);
    expect([...decodeSafetensors(bytes).tensors.get('x')!.data]).toEqual(values);
  }
});

test('every way in which a header can lie is refused with a reason', () => {
  const entry = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(), /too few/],
    [new Uint8Array(7), /too few/],
    [file({}, 0, 2 ** 40), /more than the format allows/],
    [file({}, 0, 99), /only 2 follow/],
    [file('[]'), /does not start/],
    [file('{"a":'), /not valid JSON/],
    [file('{"\u0000'), /not valid JSON/],
    [
      file(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        4,
      ),
      /twice/,
    ],
    [file('{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}', 4), /"shape" twice/],
    [file({ __metadata__: { a: 1 } }), /not a text/],
    [file({ __metadata__: [] }), /not an object/],
    [file({ a: 3 }), /not an object/],
    [file({ a: entry(0, 1, [1], 'F8_E4M3') }, 1), /element type/],
    [file({ a: entry(0, 4, [1], 'constructor') }, 4), /element type/],
    [file({ a: { ...entry(0, 4), more: 1 } }, 4), /unknown field/],
    [file({ a: entry(0, 4, [-1, -1]) }, 4), /list of sizes/],
    [file({ a: entry(0, 4, [1.5]) }, 4), /list of sizes/],
    [file({ a: { ...entry(0, 4), data_offsets: [0] } }, 4), /two positions/],
    [file({ a: { ...entry(0, 4), data_offsets: [-4, 0] } }, 4), /two positions/],
    [file({ a: entry(0, 4, [2]) }, 4), /needs 8 bytes/],
    [file({ a: entry(0, 4, [2 ** 52, 2 ** 52, 2 ** 52]) }, 4), /needs/],
    [file({ a: { ...entry(0, 4), data_offsets: [4, 0] } }, 4), /needs 4 bytes/],
    [file({ a: entry(0, 8), b: entry(4, 12) }, 12), /overlaps/],
    [file({ a: entry(0, 4), b: entry(8, 12) }, 12), /gap of 4/],
    [file({ a: entry(4, 8) }, 8), /gap of 4/],
    [file({ a: entry(0, 8) }, 4), /holds 4/],
    [file({ a: entry(0, 4) }, 5), /1 bytes follow/],
  ];
  for (const [bytes, reason] of cases) expect(refusal(bytes)).toMatch(reason);
});

test('NaN and infinity are reported with the tensor that holds them', () => {
  for (const bad of [Number.NaN, Infinity]) {
    const bytes = encodeSafetensors(
      new Map([['x.lora_A.weight', { dims: [2], data: Float32Array.of(1, bad) }]]),
    );
    expect(refusal(bytes)).toMatch(/safetensors: The tensor x.lora_A.weight holds NaN/);
  }
});

test('a file cut off anywhere is refused', () => {
  const bytes = encodeSafetensors(tensors, metadata);
  for (let length = 0; length < bytes.length; length++)
    expect(refusal(bytes.subarray(0, length))).toMatch(/^safetensors: /);
});

test('2000 random mutations give a typed error or a sound file, never anything else', () => {
  const whole = encodeSafetensors(tensors, metadata);
  const random = new Random(1, 'mutations');
  let refused = 0;
  for (let i = 0; i < 2000; i++) {
    const bytes = whole.slice();
    const changes = 1 + random.integer(4);
    // Mostly in the header, where the structure is.
    for (let c = 0; c < changes; c++)
      bytes[random.integer(bytes.length - 8 * random.integer(8))] = random.integer(256);
    const said = refusal(bytes);
    if (said !== 'accepted') {
      expect(said).toMatch(/^safetensors: /);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(1000);
});
