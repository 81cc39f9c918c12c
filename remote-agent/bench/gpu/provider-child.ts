// Loads the provider of a device and computes one matrix product on it; JSON in, JSON out. Fails with what it says.
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import { DataType, valueInfo } from '../../src/onnx/types.ts';
import type { DeviceName } from '../../src/runtime/device.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32, toFloats } from '../../src/runtime/tensor.ts';

const { device } = JSON.parse(process.argv[2]!) as { device: DeviceName };
const side = 256;
const graph = newGraph('product', 18);
graph.addInput('x', DataType.FLOAT, [side, side]);
graph.push(graph.makeNode('MatMul', ['x', 'x'], { outputs: ['y'] }));
graph.setOutputs([valueInfo('y', DataType.FLOAT, [side, side])]);
const begin = performance.now();
const session = await createSession(encodeGraph(graph), { device });
const loadedMs = performance.now() - begin;
// Sums of 256 products of small whole numbers are exact in every precision that a device may choose.
const x = Float32Array.from({ length: side * side }, (_, i) => (i % 7) - 3);
const { y } = await session.run({ x: f32([side, side], x) });
const found = toFloats(y!);
const row = (i: number, j: number) => {
  let sum = 0;
  for (let k = 0; k < side; k++) sum += x[i * side + k]! * x[k * side + j]!;
  return sum;
};
for (const [i, j] of [
  [0, 0],
  [17, 200],
  [255, 255],
] as const)
  if (found[i * side + j] !== row(i, j))
    throw new Error(`the device computes ${found[i * side + j]} for ${row(i, j)}`);
const facts = { 'provider loaded in, ms': Math.round(loadedMs), 'a matrix product': 'right' };
process.stdout.write(`${JSON.stringify(facts)}\n`, () => process.exit(0));
