import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeGraph, loadGraph } from '../../src/onnx/io.ts';
import { fixDimensions, simplify } from '../../src/onnx/simplify.ts';
import { DataType, valueInfo } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { sizeOf, type Tensor, tensorOf } from '../../src/runtime/tensor.ts';
import { goldenCases, goldenGraph } from '../autodiff/goldens.ts';
import { goldenPath } from '../training/golden.ts';
import { loadPart, parts, shapesFor } from './parts.ts';

const typeNames: Record<string, DataType> = {
  float32: DataType.FLOAT,
  float16: DataType.FLOAT16,
  float64: DataType.DOUBLE,
  int64: DataType.INT64,
  int32: DataType.INT32,
  bool: DataType.BOOL,
};

/** Runs a graph once with every value that has a noted type as an output, and compares. */
async function disagreements(
  graph: Graph,
  shapes: Readonly<Record<string, readonly number[]>>,
  directory?: string,
): Promise<{ compared: number; wrong: string[] }> {
  const values = graph.nodes.flatMap((node) => node.output.filter((name) => name !== ''));
  const missing = values.filter((name) => !graph.types.get(name));
  graph.setOutputs(
    values.map((name) => {
      const info = valueInfo(name, graph.types.get(name)?.type ?? DataType.UNDEFINED, []);
      // The runtime tells the shape; a declared one would be compared before the run.
      info.type = undefined;
      return info;
    }),
  );
  const session = await createSession(encodeGraph(graph), {
    optimization: 'disabled',
    threads: 1,
    ...(directory ? { externalDataDirectory: directory } : {}),
  });
  const feeds: Record<string, Tensor> = {};
  for (const { name, type } of session.inputs) {
    const dims = shapes[name]!;
    const data = Array.from({ length: sizeOf(dims) }, (_, k) => (type === 'int64' ? k % 7 : Math.sin(k)));
    feeds[name] = tensorOf(type, dims, data);
  }
  const out = await session.run(feeds);
  await session.release();
  const wrong = missing.map((name) => `${name} is not known`);
  for (const name of values) {
    const { type, shape } = graph.types.get(name) ?? { type: 0, shape: [] };
    const { type: found, dims } = out[name]!;
    if (typeNames[found] !== type || dims.join() !== shape.join())
      wrong.push(`${name}: told [${shape}] of type ${type}, is [${dims}] of ${found}`);
  }
  return { compared: values.length, wrong };
}

describe('types and shapes told beforehand are those of the runtime', () => {
  it.each(parts)('for every value of %s, %s', async (base, part) => {
    const { graph, shapes, folder } = loadPart(base, part);
    simplify(graph);
    const { compared, wrong } = await disagreements(graph, shapes, folder);
    expect(compared).toBeGreaterThan(20);
    expect(wrong).toEqual([]);
  });

  it('for every value of the gradient graphs of all operators', async () => {
    const wrong: string[] = [];
    for (const test of goldenCases()) {
      const { graph } = goldenGraph(test);
      const shapes = Object.fromEntries(
        test.inputs.map((name) => [name, test.tensors.get(`in.${name}`)!.dims]),
      );
      const found = await disagreements(graph, shapes);
      wrong.push(...found.wrong.map((line) => `${test.name}: ${line}`));
    }
    expect(wrong).toEqual([]);
  });
});

describe('fixed dimensions', () => {
  it('are what the runtime reports of inputs and outputs', async () => {
    const path = goldenPath('bases/tiny-optimum/unet/model.onnx');
    const open = await createSession(path, { threads: 1 });
    expect(open.inputs.some(({ dims }) => dims.some((dim) => typeof dim === 'string'))).toBe(true);
    await open.release();
    const graph = loadGraph(path);
    const shapes = shapesFor(graph, 'unet');
    fixDimensions(graph, shapes);
    simplify(graph);
    const { shape } = graph.types.get('out_sample')!;
    const session = await createSession(encodeGraph(graph), { threads: 1, optimization: 'basic' });
    for (const { name, dims } of session.inputs) expect(dims, name).toEqual(shapes[name]);
    const feeds = Object.fromEntries(
      session.inputs.map(({ name, type, dims }) => {
        const n = sizeOf(dims as number[]);
        return [name, tensorOf(type, dims as number[], new Float32Array(n))];
      }),
    );
    expect((await session.run(feeds)).out_sample!.dims).toEqual(shape);
    await session.release();
  });

  it('of an input that is not there are refused with the names of those that are', () => {
    const graph = loadGraph(goldenPath('bases/tiny-optimum/vae_decoder/model.onnx'));
    expect(() => fixDimensions(graph, { latents: [1, 4, 8, 8] })).toThrow(
      expect.objectContaining({ code: 'graph', where: expect.stringContaining('latent_sample') }),
    );
  });
});
