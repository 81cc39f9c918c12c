import { describe, expect, it } from 'vitest';
import { fuseAttention } from '../../src/onnx/fuse-attention.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeGraph, newGraph } from '../../src/onnx/io.ts';
import { simplify } from '../../src/onnx/simplify.ts';
import { DataType } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { tensorOf, toFloats } from '../../src/runtime/tensor.ts';
import { draw } from '../autodiff/case.ts';
import { loadPart } from './parts.ts';

const count = (graph: Graph, operator: string) =>
  graph.nodes.filter((node) => node.opType === operator).length;

async function output(graph: Graph, folder?: string): Promise<Float32Array> {
  const session = await createSession(encodeGraph(graph), {
    threads: 1,
    ...(folder === undefined ? {} : { externalDataDirectory: folder }),
  });
  const feeds = Object.fromEntries(
    session.inputs.map(({ name, type, dims }, i) => {
      const shape = dims as number[];
      const values = draw(i + 1, shape);
      return [name, tensorOf(type, shape, type === 'int64' ? values.fill(500) : values)];
    }),
  );
  const out = await session.run(feeds);
  await session.release();
  return toFloats(out[graph.outputs[0]!.name]!);
}

const furthest = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe.each(['bases/tiny-optimum', 'bases/tiny-dynamo', '../../bases/pocket-sdxl'])(
  'attention of the U-Net of %s',
  (base) => {
    it('is fused wherever there is one, with the same results to 1e-5', async () => {
      const { graph, folder } = loadPart(base, 'unet');
      simplify(graph);
      const before = await output(graph, folder);
      const softmaxes = count(graph, 'Softmax');
      expect(softmaxes).toBeGreaterThan(5);
      expect(fuseAttention(graph)).toBe(softmaxes);
      expect(count(graph, 'Softmax')).toBe(0);
      expect(count(graph, 'MultiHeadAttention')).toBe(softmaxes);
      expect(furthest(await output(graph, folder), before)).toBeLessThan(1e-5);
    });
  },
);

describe('fused attention', () => {
  it("of text encoders, which mask, stays the exporter's", () => {
    const { graph } = loadPart('bases/tiny-optimum', 'text_encoder');
    simplify(graph);
    expect(count(graph, 'Softmax')).toBeGreaterThan(0);
    expect(fuseAttention(graph)).toBe(0);
  });

  it('takes heads that come from anywhere and go anywhere', async () => {
    const graph = newGraph('heads', 21);
    for (const [name, shape] of [
      ['q', [2, 3, 5, 4]],
      ['k', [2, 3, 6, 4]],
      ['v', [2, 3, 6, 7]],
    ] as const)
      graph.addInput(name, DataType.FLOAT, shape);
    const turned = graph.add('Transpose', ['k'], { attributes: { perm: [0n, 1n, 3n, 2n] } });
    const p = graph.add('Softmax', [graph.add('MatMul', ['q', turned])], { attributes: { axis: -1n } });
    graph.addOutput(graph.add('MatMul', [p, 'v']), DataType.FLOAT, [2, 3, 5, 7]);
    simplify(graph);
    const before = await output(graph);
    expect(fuseAttention(graph)).toBe(1);
    expect(furthest(await output(graph), before)).toBeLessThan(1e-6);
  });

  it('leaves probabilities that are an output as they are', () => {
    const graph = newGraph('probabilities', 21);
    graph.addInput('q', DataType.FLOAT, [1, 2, 4, 4]);
    graph.push(
      graph.makeNode('Softmax', [graph.add('MatMul', ['q', 'q'])], {
        outputs: ['p'],
        attributes: { axis: -1n },
      }),
    );
    graph.addOutput(graph.add('MatMul', ['p', 'q']), DataType.FLOAT, [1, 2, 4, 4]);
    graph.addOutput('p', DataType.FLOAT, [1, 2, 4, 4]);
    simplify(graph);
    expect(fuseAttention(graph)).toBe(0);
  });
});
