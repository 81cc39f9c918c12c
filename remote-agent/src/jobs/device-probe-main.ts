// Tries one device: `node device-probe.js webgpu|cuda` multiplies matrices there and on the processor and says in one
// JSON line what came of it. A process of its own, since a driver may crash or hang whoever loads it.
import { ParaError } from '../common/errors.ts';
import { Random } from '../common/random.ts';
import { encodeGraph, newGraph } from '../onnx/io.ts';
import { DataType } from '../onnx/types.ts';
import { type DeviceName, deviceByName } from '../runtime/device.ts';
import { createSession } from '../runtime/session.ts';
import { f32, type Tensor, toFloats } from '../runtime/tensor.ts';
import type { ProbeAnswer } from './device-probe.ts';

/** Rows of the matrices, and how many products follow each other: half a billion operations. */
const size = 512;
const products = 2;
/** Most runs that are timed, and the time after which no more are begun, in ms. */
const rounds = 5;
const enough = 1000;

/** x W^products, W scaled so that values keep their size. */
function work(): { model: Uint8Array; feeds: Record<string, Tensor> } {
  const graph = newGraph('device probe', 18);
  const dims = [size, size];
  let value = graph.addInput('x', DataType.FLOAT, dims);
  const weight = graph.addInput('w', DataType.FLOAT, dims);
  for (let i = 0; i < products; i++) value = graph.add('MatMul', [value, weight]);
  graph.addOutput(value, DataType.FLOAT, dims);
  const random = new Random(1, 'device probe');
  const normal = (scale: number) =>
    f32(
      dims,
      Float32Array.from({ length: size * size }, () => scale * random.normal()),
    );
  return { model: encodeGraph(graph), feeds: { x: normal(1), w: normal(1 / Math.sqrt(size)) } };
}

/** The result and the shortest time of a run in ms; the first one, which compiles, is not counted. */
async function measured(device: DeviceName): Promise<{ values: Float32Array; ms: number }> {
  const { model, feeds } = work();
  const session = await createSession(model, { device });
  const run = async () => toFloats(Object.values(await session.run(feeds))[0]!);
  const values = await run();
  let ms = Infinity;
  const end = performance.now() + enough;
  for (let i = 0; i < rounds && (i === 0 || performance.now() < end); i++) {
    const begin = performance.now();
    await run();
    ms = Math.min(ms, performance.now() - begin);
  }
  await session.release();
  return { values, ms };
}

async function probe(device: DeviceName): Promise<ProbeAnswer> {
  const there = await measured(device);
  const here = await measured('cpu');
  const difference = Math.sqrt(there.values.reduce((sum, v, i) => sum + (v - here.values[i]!) ** 2, 0));
  const error = difference / Math.sqrt(here.values.reduce((sum, v) => sum + v * v, 0));
  // A GPU may round products to ten bits; more is no rounding.
  if (!(error < 1e-2))
    return { works: false, why: `its matrix product is off by ${error.toPrecision(2)} of the norm` };
  return { works: true, speed: here.ms / there.ms };
}

/** Exits without ending the runtime, which some drivers do not survive. */
const answer = (found: ProbeAnswer) =>
  process.stdout.write(`${JSON.stringify(found)}\n`, () => process.exit(0));

try {
  answer(await probe(deviceByName(process.argv[2] ?? '').name));
} catch (cause) {
  const why =
    cause instanceof ParaError
      ? [cause.where ?? cause.message, cause.hint].filter(Boolean).join('; ')
      : `${cause}`;
  answer({ works: false, why });
}
