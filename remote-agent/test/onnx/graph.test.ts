import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { attachSlots } from '../../src/adapters/slots.ts';
import { canonicalise } from '../../src/autodiff/canonicalise.ts';
import { ParaError } from '../../src/common/errors.ts';
import { Random } from '../../src/common/random.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { decodeGraph, encodeGraph, loadGraph, newGraph, saveGraph } from '../../src/onnx/io.ts';
import { liftOpset } from '../../src/onnx/lift-opset.ts';
import { findLayers } from '../../src/onnx/modules.ts';
import { TensorProto_DataLocation } from '../../src/onnx/proto/onnx_pb.ts';
import { sortTopologically } from '../../src/onnx/prune.ts';
import { fixDimensions, simplify } from '../../src/onnx/simplify.ts';
import { tensorBytes, toNumbers } from '../../src/onnx/tensor-data.ts';
import { DataType, floatTensor, valueInfo } from '../../src/onnx/types.ts';
import { createSession } from '../../src/runtime/session.ts';
import { f32, toFloats } from '../../src/runtime/tensor.ts';
import { goldenPath } from '../training/golden.ts';

const scratch = mkdtempSync(join(tmpdir(), 'para-graph-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const unet = () => loadGraph(goldenPath('bases/tiny-optimum/unet/model.onnx'));
const unetShapes = {
  sample: [1, 4, 8, 8],
  timestep: [],
  encoder_hidden_states: [1, 8, 48],
  text_embeds: [1, 24],
  time_ids: [1, 6],
};

/** Nodes that read what is made later or not at all, and values that are made twice. */
function disorder(graph: Graph): string[] {
  const made = new Set(['', ...graph.initializers.keys(), ...graph.inputs.map((input) => input.name)]);
  const wrong: string[] = [];
  for (const node of graph.nodes) {
    for (const name of node.input) if (!made.has(name)) wrong.push(`${node.name} reads ${name} too early`);
    for (const name of node.output) {
      if (name && made.has(name)) wrong.push(`${name} is made twice`);
      made.add(name);
    }
  }
  for (const { name } of graph.outputs) if (!made.has(name)) wrong.push(`nothing makes the output ${name}`);
  return wrong;
}

describe('a model file', () => {
  // Protobuf by hand, so that the fields are unknown to every generated code.
  const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >> 7)]);
  const field = (no: number, value: number | string | number[]): number[] => {
    if (typeof value === 'number') return [...varint(no << 3), ...varint(value)];
    const bytes = typeof value === 'string' ? [...new TextEncoder().encode(value)] : value;
    return [...varint((no << 3) | 2), ...varint(bytes.length), ...bytes];
  };
  const value = (name: string) => [
    ...field(1, name),
    ...field(2, field(1, [...field(1, DataType.FLOAT), ...field(2, field(1, field(1, 2)))])),
    ...field(901, 'of-a-value'),
  ];
  const weight = [
    ...field(1, 2),
    ...field(2, 1),
    ...field(8, 'w'),
    ...field(4, [0, 0, 128, 63, 0, 0, 0, 64]),
  ];
  const node = [
    ...field(1, 'x'),
    ...field(1, 'w'),
    ...field(2, 'y'),
    ...field(3, 'product'),
    ...field(4, 'Mul'),
    ...field(902, 'of-a-node'),
  ];
  const graphBytes = [
    ...field(1, node),
    ...field(2, 'graph'),
    ...field(5, [...weight, ...field(903, 'of-a-weight')]),
    ...field(11, value('x')),
    ...field(12, value('y')),
    ...field(904, 'of-the-graph'),
  ];
  const file = Uint8Array.from([
    ...field(1, 8),
    ...field(7, graphBytes),
    ...field(8, [...field(2, 18), ...field(906, 'of-an-opset')]),
    ...field(905, 'of-the-model'),
    ...field(907, 12345),
  ]);

  it('keeps the protobuf fields that this program does not know, through edits and a round trip', async () => {
    const graph = decodeGraph(file);
    const again = decodeGraph(encodeGraph(graph));
    again.push(again.makeNode('Relu', ['y'], { outputs: ['z'] }));
    again.setOutputs([...again.outputs, valueInfo('z', DataType.FLOAT, [2])]);
    simplify(again);
    liftOpset(again);
    const bytes = encodeGraph(again);
    const text = Buffer.from(bytes).toString('latin1');
    for (const kept of ['value', 'node', 'weight', 'graph', 'model', 'opset'])
      expect(text, `the unknown field of ${kept}`).toMatch(new RegExp(`of-(a|an|the)-${kept}`));
    expect(Buffer.from(bytes).includes(Buffer.from(field(907, 12345)))).toBe(true);
    const session = await createSession(bytes, { threads: 1 });
    const { z } = await session.run({ x: f32([2], [-3, 4]) });
    expect([...toFloats(z!)]).toEqual([0, 8]);
    await session.release();
  });

  it('is the same to the last byte after reading and writing, for every exporter', () => {
    for (const name of ['opsets/torchscript-14.onnx', 'opsets/dynamo-23.onnx', 'adapters/unet.onnx']) {
      const bytes = readFileSync(goldenPath(name));
      expect(Buffer.compare(encodeGraph(decodeGraph(bytes)), bytes), name).toBe(0);
    }
  });
});

describe('external data', () => {
  const offset = 4096;
  /** y = x w, with w in `weights.bin`. */
  const write = (folder: string) => {
    const graph = newGraph('external');
    graph.addInput('x', DataType.FLOAT, [1, 64]);
    const values = Float32Array.from({ length: 64 * 64 }, (_, i) => Math.sin(i));
    const tensor = floatTensor('w', [64, 64], []);
    tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
    for (const [key, value] of Object.entries({ location: 'weights.bin', offset, length: values.byteLength }))
      tensor.externalData.push({ $typeName: 'onnx.StringStringEntryProto', key, value: `${value}` });
    graph.setInitializer(tensor);
    graph.push(graph.makeNode('MatMul', ['x', 'w'], { outputs: ['y'] }));
    graph.setOutputs([valueInfo('y', DataType.FLOAT, [1, 64])]);
    writeFileSync(
      join(folder, 'weights.bin'),
      Buffer.concat([Buffer.alloc(offset), Buffer.from(values.buffer)]),
    );
    saveGraph(graph, join(folder, 'model.onnx'));
    return values;
  };

  it('stays outside through edits and saving, and the result runs from a path and from bytes', async () => {
    const values = write(scratch);
    const graph = loadGraph(join(scratch, 'model.onnx'));
    graph.push(graph.makeNode('Neg', ['y'], { outputs: ['z'] }));
    graph.setOutputs([valueInfo('z', DataType.FLOAT, [1, 64])]);
    fixDimensions(graph, { x: [1, 64] });
    simplify(graph);
    liftOpset(graph);
    const path = join(scratch, 'edited.onnx');
    saveGraph(graph, path);
    expect(statSync(path).size).toBeLessThan(1000);
    const again = loadGraph(path).initializers.get('w')!;
    expect(again.dataLocation).toBe(TensorProto_DataLocation.EXTERNAL);
    expect(again.rawData.length).toBe(0);
    const entries = again.externalData.map((e) => [e.key, e.value]);
    expect(Object.fromEntries(entries)).toEqual({
      location: 'weights.bin',
      offset: `${offset}`,
      length: `${values.byteLength}`,
    });
    const x = Float32Array.from({ length: 64 }, (_, i) => (i === 3 ? -1 : 0));
    for (const model of [path, encodeGraph(graph)]) {
      const session = await createSession(model, { threads: 1, externalDataDirectory: scratch });
      const { z } = await session.run({ x: f32([1, 64], x) });
      expect([...toFloats(z!)]).toEqual([...values.slice(3 * 64, 4 * 64)]);
      await session.release();
    }
  });

  it('is read where it lies', () => {
    const values = write(scratch);
    const graph = loadGraph(join(scratch, 'model.onnx'));
    const tensor = graph.initializers.get('w')!;
    expect(tensorBytes(graph, tensor)).toEqual(new Uint8Array(values.buffer));
    expect(toNumbers(graph, tensor)).toEqual([...values]);
  });
});

describe('names', () => {
  it('made in a loaded file meet none that the file has, nor each other', () => {
    const graph = unet();
    const taken = new Set(graph.nodes.flatMap((node) => [node.name, ...node.output]));
    for (const name of graph.initializers.keys()) taken.add(name);
    for (const { name } of [...graph.inputs, ...graph.outputs]) taken.add(name);
    // Hints that meet names of the file, and one that looks like a counted name.
    const hints = [...taken].slice(0, 200);
    const made = [...hints, ...hints, ...hints.map((hint) => `${hint}_1`)].map((hint) =>
      graph.uniqueName(hint),
    );
    expect(new Set(made).size).toBe(made.length);
    expect(made.filter((name) => taken.has(name))).toEqual([]);
  });

  it('stay unique through every edit that makes nodes', () => {
    const graph = unet();
    const { layers } = findLayers(graph);
    fixDimensions(graph, unetShapes);
    simplify(graph);
    liftOpset(graph);
    canonicalise(graph);
    attachSlots(graph, layers, { projectionRank: 2, additionRank: 2 });
    for (let i = 0; i < 3; i++) graph.add('Neg', ['out_sample'], { hint: 'out_sample' });
    const names = graph.nodes.map((node) => node.name);
    const twice = names.filter((name, i) => names.indexOf(name) !== i);
    expect(twice).toEqual([]);
    expect(disorder(graph)).toEqual([]);
  });

  it('of initializers are replaced in place, dropped together, and free for nobody else', () => {
    const graph = newGraph('names');
    graph.setInitializer(floatTensor('a', [1], [1]));
    graph.setInitializer(floatTensor('b', [1], [2]));
    graph.setInitializer(floatTensor('a', [1], [3]));
    expect(graph.proto.initializer.map((t) => t.name)).toEqual(['a', 'b']);
    expect(toNumbers(graph, graph.initializers.get('a')!)).toEqual([3]);
    graph.removeInitializers(new Set(['a']));
    expect([...graph.initializers.keys()]).toEqual(['b']);
    expect(graph.proto.initializer.map((t) => t.name)).toEqual(['b']);
    expect(graph.uniqueName('b')).not.toBe('b');
  });
});

describe('the order of nodes', () => {
  it.each(['tiny-optimum', 'tiny-dynamo'])('holds after every edit of %s', (base) => {
    const graph = loadGraph(goldenPath(`bases/${base}/unet/model.onnx`));
    const { layers } = findLayers(graph);
    expect(disorder(graph)).toEqual([]);
    const tokens = graph.inputs.find((input) => input.name === 'encoder_hidden_states')!;
    const width =
      tokens.type!.value.case === 'tensorType' ? tokens.type!.value.value.shape!.dim[2]! : undefined;
    const pooled = graph.inputs.find((input) => input.name === 'text_embeds')!;
    const pooledDims = pooled.type!.value.case === 'tensorType' ? pooled.type!.value.value.shape!.dim : [];
    const timestep = base === 'tiny-dynamo' ? [1] : [];
    fixDimensions(graph, {
      ...unetShapes,
      timestep,
      encoder_hidden_states: [1, 8, Number(width!.value.value)],
      text_embeds: [1, Number(pooledDims[1]!.value.value)],
    });
    for (const edit of [
      simplify,
      liftOpset,
      canonicalise,
      (g: Graph) => attachSlots(g, layers, { projectionRank: 1, additionRank: 1 }),
    ]) {
      edit(graph);
      expect(disorder(graph), edit.name).toEqual([]);
    }
  });

  it('comes back from any shuffle, with the same result', async () => {
    const graph = unet();
    fixDimensions(graph, unetShapes);
    simplify(graph);
    const feeds = Object.fromEntries(
      Object.entries(unetShapes).map(([name, dims]) => {
        const n = dims.reduce((a, b) => a * b, 1);
        return [
          name,
          f32(
            dims,
            Float32Array.from({ length: n }, (_, i) => Math.sin(i + 1)),
          ),
        ];
      }),
    );
    const run = async () => {
      const session = await createSession(encodeGraph(graph), { threads: 1, optimization: 'disabled' });
      const { out_sample } = await session.run(feeds);
      await session.release();
      return [...toFloats(out_sample!)];
    };
    const wanted = await run();
    const order = graph.nodes.map((node) => node.name);
    sortTopologically(graph);
    expect(graph.nodes.map((node) => node.name)).toEqual(order);
    const random = new Random(5, 'shuffle');
    const shuffled = [...graph.nodes];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const k = Math.floor(random.uniform() * (i + 1));
      [shuffled[i], shuffled[k]] = [shuffled[k]!, shuffled[i]!];
    }
    graph.replaceNodes(shuffled);
    expect(disorder(graph).length).toBeGreaterThan(0);
    sortTopologically(graph);
    expect(disorder(graph)).toEqual([]);
    expect(graph.nodes.length).toBe(order.length);
    expect(await run()).toEqual(wanted);
  });

  it.each([
    ['a circle', [['a', 'c'] as const, ['b', 'a'] as const, ['c', 'b'] as const], 'a'],
    ['a value that nothing makes', [['a', 'nowhere'] as const], 'nowhere'],
  ])('is refused for %s, naming it', (_what, nodes, named) => {
    const graph = newGraph('disorder');
    for (const [to, from] of nodes) graph.push(graph.makeNode('Neg', [from], { outputs: [to] }));
    try {
      sortTopologically(graph);
    } catch (cause) {
      expect(cause).toBeInstanceOf(ParaError);
      expect((cause as ParaError).code).toBe('graph');
      expect((cause as ParaError).where).toContain(named);
      return;
    }
    throw new Error('the order was accepted');
  });
});
