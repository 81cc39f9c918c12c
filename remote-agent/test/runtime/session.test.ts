import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import { DataType, floatTensor, valueInfo } from '../../src/onnx/types.ts';
import { deviceByName } from '../../src/runtime/device.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f16, f32, i64 } from '../../src/runtime/tensor.ts';

/** y = x + 1 for a vector of two. */
function plusOne(type = DataType.FLOAT): Uint8Array {
  const graph = newGraph('plus-one');
  graph.addInput('x', type, [2]);
  graph.setInitializer(floatTensor('one', [1], [1]));
  const one =
    type === DataType.FLOAT ? 'one' : graph.add('Cast', ['one'], { attributes: { to: BigInt(type) } });
  graph.push(graph.makeNode('Add', ['x', one], { outputs: ['y'] }));
  graph.setOutputs([valueInfo('y', type, [2])]);
  return encodeGraph(graph);
}

describe('a session', () => {
  it('tells its inputs and outputs and computes them, from bytes and from a file', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'para-session-')), 'model.onnx');
    writeFileSync(path, plusOne());
    for (const model of [plusOne(), path]) {
      const session = await createSession(model, { optimization: 'basic', memoryPattern: false, threads: 1 });
      expect(session.inputs).toEqual([{ name: 'x', type: 'float32', dims: [2] }]);
      expect(session.outputs).toEqual([{ name: 'y', type: 'float32', dims: [2] }]);
      const { y } = await session.run({ x: f32([2], [1, 2]) });
      expect(y).toEqual({ type: 'float32', dims: [2], data: Float32Array.of(2, 3) });
      await session.release();
      await session.release();
      await expect(session.run({ x: f32([2], [1, 2]) })).rejects.toMatchObject({ code: 'graph' });
    }
  });

  it('carries half precision as bits', async () => {
    const session = await createSession(plusOne(DataType.FLOAT16));
    const { y } = await session.run({ x: f16([2], Uint16Array.of(0x3c00, 0)) });
    expect(y).toEqual({ type: 'float16', dims: [2], data: Uint16Array.of(0x4000, 0x3c00) });
    await session.release();
  });

  it('refuses feeds that do not fit and names what it takes', async () => {
    const session = await createSession(plusOne());
    await expect(session.run({})).rejects.toMatchObject({
      code: 'graph',
      message: expect.stringMatching(/"x" was not fed/),
    });
    await expect(session.run({ z: f32([2], [1, 2]) })).rejects.toMatchObject({
      code: 'graph',
      hint: expect.stringMatching(/x/),
    });
    await expect(session.run({ x: i64([2], [1, 2]) })).rejects.toMatchObject({
      message: expect.stringMatching(/takes float32/),
    });
    await expect(session.run({ x: f32([3], [1, 2]) })).rejects.toMatchObject({
      message: expect.stringMatching(/2 elements/),
    });
    await expect(session.run({ x: f32([3], [1, 2, 3]) })).rejects.toMatchObject({ code: 'graph' });
    await session.release();
  });

  it('refuses broken models, unknown operators and unknown devices with what to do', async () => {
    await expect(createSession(Uint8Array.of(1, 2, 3))).rejects.toMatchObject({ code: 'model-file' });
    await expect(createSession('/nowhere/model.onnx')).rejects.toMatchObject({
      code: 'model-file',
      where: '/nowhere/model.onnx',
    });
    const graph = newGraph('strange');
    graph.addInput('x', DataType.FLOAT, [2]);
    graph.push(graph.makeNode('NoSuchOperator', ['x'], { outputs: ['y'] }));
    graph.setOutputs([valueInfo('y', DataType.FLOAT, [2])]);
    await expect(createSession(encodeGraph(graph))).rejects.toMatchObject({ code: 'model-file' });
    expect(() => deviceByName('tpu')).toThrow(
      expect.objectContaining({ code: 'device', hint: expect.stringMatching(/cpu, cuda/) }),
    );
  });
});
