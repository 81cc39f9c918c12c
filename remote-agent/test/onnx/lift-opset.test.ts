import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { attribute } from '../../src/onnx/attributes.ts';
import { decodeGraph, encodeGraph, loadGraph, newestOpset, newGraph } from '../../src/onnx/io.ts';
import { liftOpset, oldestOpset, targetOpset } from '../../src/onnx/lift-opset.ts';
import { simplify } from '../../src/onnx/simplify.ts';
import { DataType, floatTensor, valueInfo } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32, type Tensor, toFloats } from '../../src/runtime/tensor.ts';
import { lossGraph } from '../autodiff/loss-graph.ts';
import { golden, goldenPath, relativeError } from '../training/golden.ts';

const { tensors } = golden('opsets/values.safetensors');
const files = readdirSync(goldenPath('opsets')).filter((file) => file.endsWith('.onnx'));
const fileOf = (name: string) => goldenPath(`opsets/${name}`);
const parameters = ['x', 'w'];
const feeds = (): Record<string, Tensor> =>
  Object.fromEntries(
    parameters.map((name) => {
      const { dims, data } = tensors.get(`in.${name}`)!;
      return [name, f32(dims, data)];
    }),
  );

/** Outputs without any optimisation of the runtime, which would hide a form that it does not take. */
async function run(bytes: Uint8Array, given: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await createSession(bytes, { optimization: 'disabled', threads: 1 });
  const out = await session.run(given);
  await session.release();
  return out;
}

describe('a module exported at several operator sets', () => {
  it('is there at 14, 17, 18, 21 and newer', () => {
    const opsets = files.map((file) => loadGraph(fileOf(file)).opset());
    expect([...new Set(opsets)].sort((a, b) => a - b)).toEqual([14, 17, 18, 21, 23]);
  });

  it.each(files)('%s gives the same output to the last bit before and after the lift', async (file) => {
    const before = await run(readFileSync(fileOf(file)), feeds());
    const graph = loadGraph(fileOf(file));
    const opset = graph.opset();
    simplify(graph);
    const simplified = await run(encodeGraph(graph), feeds());
    liftOpset(graph);
    expect(graph.opset()).toBe(Math.max(opset, targetOpset));
    const after = await run(encodeGraph(graph), feeds());
    expect([...toFloats(after.y!)]).toEqual([...toFloats(simplified.y!)]);
    expect(relativeError(toFloats(after.y!), toFloats(before.y!))).toBeLessThan(1e-6);
    expect(relativeError(toFloats(after.y!), tensors.get('y')!.data)).toBeLessThan(1e-5);
  });

  it.each(files)("%s has PyTorch's gradients", async (file) => {
    const made = lossGraph(
      decodeGraph(readFileSync(fileOf(file))),
      'y',
      parameters,
      () => tensors.get('weights')!.data as Float32Array,
    );
    const out = await run(made.bytes, feeds());
    for (const name of parameters) {
      const found = toFloats(out[made.found.get(name)!]!);
      const error = relativeError(found, tensors.get(`grad.${name}`)!.data);
      expect(error, `gradient of ${name}`).toBeLessThan(1e-4);
    }
  });
});

describe('a lift', () => {
  /** x f32[2, 4, 3] through one node into y. */
  const graphOf = (
    opset: number,
    op: string,
    attributes: Record<string, bigint | number | string | bigint[]>,
    more: string[] = [],
    outputs = ['y'],
  ) => {
    const graph = newGraph('lift', opset);
    graph.addInput('x', DataType.FLOAT, [2, 4, 3]);
    graph.setInitializer(floatTensor('scale', [2], [0.5, -2]));
    graph.setInitializer(floatTensor('bias', [2], [0.25, 3]));
    const node = graph.makeNode(op, ['x', ...more], { outputs, hint: 'one' });
    for (const [name, value] of Object.entries(attributes)) node.attribute.push(attribute(name, value));
    graph.push(node);
    graph.setOutputs(outputs.map((name) => valueInfo(name, DataType.FLOAT, [])));
    return graph;
  };
  const x = () => ({
    x: f32(
      [2, 4, 3],
      Float32Array.from({ length: 24 }, (_, i) => Math.sin(i * i)),
    ),
  });

  it.each([
    ['ReduceMean with axes', graphOf(17, 'ReduceMean', { axes: [-1n], keepdims: 0n })],
    ['ReduceMax over an empty list', graphOf(13, 'ReduceMax', { axes: [] })],
    ['ReduceL2 over everything', graphOf(13, 'ReduceL2', { keepdims: 0n })],
    ['ReduceLogSumExp', graphOf(14, 'ReduceLogSumExp', { axes: [0n, 1n] })],
    ['an even Split', graphOf(17, 'Split', { axis: 1n }, [], ['y', 'z'])],
    ['GroupNormalization', graphOf(18, 'GroupNormalization', { num_groups: 2n }, ['scale', 'bias'])],
  ])('of %s keeps its values', async (_name, graph) => {
    const before = await run(encodeGraph(graph), x());
    graph.types.set('x', { type: DataType.FLOAT, shape: [2, 4, 3] });
    liftOpset(graph);
    expect(graph.opset()).toBe(targetOpset);
    const after = await run(encodeGraph(graph), x());
    for (const [name, tensor] of Object.entries(before)) {
      expect(after[name]!.dims).toEqual(tensor.dims);
      expect(relativeError(toFloats(after[name]!), toFloats(tensor))).toBeLessThan(1e-6);
    }
  });

  const refused = (graph: ReturnType<typeof graphOf>): ParaError => {
    const before = Buffer.from(encodeGraph(graph));
    try {
      liftOpset(graph);
    } catch (cause) {
      expect(cause).toBeInstanceOf(ParaError);
      expect(graph.opset(), 'the graph still says its own operator set').toBe(decodeGraph(before).opset());
      return cause as ParaError;
    }
    throw new Error('nothing was refused');
  };

  it('names the node that it cannot bring over', () => {
    const error = refused(graphOf(17, 'DFT', { axis: 1n }));
    expect(error.code).toBe('graph');
    expect(error.message).toContain('DFT');
    expect(error.where).toContain('one/DFT');
    expect(refused(graphOf(17, 'AveragePool', { ceil_mode: 1n, kernel_shape: [2n] })).where).toContain(
      'one/',
    );
  });

  it('asks for sizes where it needs them', () => {
    const graph = graphOf(18, 'GroupNormalization', { num_groups: 2n }, ['scale', 'bias']);
    graph.types.clear();
    expect(refused(graph).hint).toMatch(/dimensions/);
  });

  it('refuses operator sets that are too old, and newer than the runtime takes', () => {
    expect(refused(graphOf(oldestOpset - 1, 'Relu', {})).where).toContain(`${oldestOpset - 1}`);
    expect(refused(graphOf(newestOpset + 1, 'Relu', {})).where).toContain(`${newestOpset + 1}`);
  });

  it('leaves what is new enough as it is', () => {
    const graph = graphOf(newestOpset, 'Relu', {});
    const before = encodeGraph(graph);
    liftOpset(graph);
    expect(encodeGraph(graph)).toEqual(before);
  });

  it('goes up to what the runtime takes and no further', async () => {
    await run(encodeGraph(graphOf(newestOpset, 'Relu', {})), x());
    await expect(run(encodeGraph(graphOf(newestOpset + 1, 'Relu', {})), x())).rejects.toThrow(/opset/i);
  });
});
