import { describe, expect, it } from 'vitest';
import { gradients } from '../../src/autodiff/gradients.ts';
import { ParaError } from '../../src/common/errors.ts';
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import { DataType, valueInfo } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32, type Tensor, toFloats } from '../../src/runtime/tensor.ts';
import { build, draw } from './case.ts';
import { cases } from './cases.ts';

describe('the gradient rule of', () => {
  for (const test of cases)
    it(`${test.name} agrees with central differences in three directions`, async () => {
      const { bytes, loss, names, found } = build(test);
      const session = await createSession(bytes, { optimization: 'disabled', threads: 1 });
      const values = test.inputs.map((shape, i) => draw(i + 1, shape, ...(test.range ?? [-1, 1])));
      const at = async (shift: number, directions: readonly Float32Array[]) => {
        const feeds: Record<string, Tensor> = {};
        for (const [i, name] of names.entries())
          feeds[name] = f32(
            test.inputs[i]!,
            values[i]!.map((v, k) => v + shift * directions[i]![k]!),
          );
        return session.run(feeds);
      };
      for (let trial = 0; trial < 3; trial++) {
        const directions = test.inputs.map((shape, i) => draw(1000 + 10 * trial + i, shape));
        const here = await at(0, directions);
        let slope = 0;
        let scale = 0;
        for (const [i, name] of names.entries()) {
          const gradient = toFloats(here[found.get(name)!]!);
          expect(gradient.length, `size of the gradient of ${name}`).toBe(values[i]!.length);
          for (const [k, g] of gradient.entries()) {
            slope += g * directions[i]![k]!;
            scale += Math.abs(g * directions[i]![k]!);
          }
        }
        const h = 4e-3;
        const lossAt = async (shift: number) => toFloats((await at(shift, directions))[loss]!)[0]!;
        // Fourth order, so that a wide step keeps rounding small.
        const difference =
          (8 * ((await lossAt(h)) - (await lossAt(-h))) - ((await lossAt(2 * h)) - (await lossAt(-2 * h)))) /
          (12 * h);
        expect(Math.abs(slope - difference)).toBeLessThan(1e-3 * Math.max(scale, 0.1));
      }
      await session.release();
    });
});

describe('gradients', () => {
  it('name an operator without a rule, its node and the way there, before anything is added', () => {
    const graph = newGraph('none');
    graph.addInput('x', DataType.FLOAT, [2]);
    graph.push(graph.makeNode('Exp', ['x'], { outputs: ['e'] }));
    graph.push(graph.makeNode('Floor', ['e'], { outputs: ['y'], hint: 'rounding' }));
    graph.setOutputs([valueInfo('y', DataType.FLOAT, [2])]);
    const before = graph.nodes.length;
    expect(() => gradients(graph, 'y', ['x'])).toThrow(ParaError);
    try {
      gradients(graph, 'y', ['x']);
    } catch (cause) {
      expect((cause as ParaError).message).toContain('Floor');
      expect((cause as ParaError).where).toMatch(/rounding.*Exp.*Floor/);
    }
    expect(graph.nodes.length).toBe(before);
  });

  it('are zero for a parameter that the loss does not depend on', async () => {
    const graph = newGraph('zero');
    graph.addInput('x', DataType.FLOAT, []);
    graph.addInput('unused', DataType.FLOAT, [3]);
    graph.push(graph.makeNode('Exp', ['x'], { outputs: ['y'] }));
    graph.types.set('y', { type: DataType.FLOAT, shape: [] });
    const found = gradients(graph, 'y', ['x', 'unused']);
    graph.setOutputs([valueInfo(found.get('unused')!, DataType.FLOAT, [3])]);
    const session = await createSession(encodeGraph(graph));
    const out = await session.run({ x: f32([], [1]), unused: f32([3], [1, 2, 3]) });
    expect([...toFloats(out[found.get('unused')!]!)]).toEqual([0, 0, 0]);
    await session.release();
  });
});
