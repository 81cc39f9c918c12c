import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { openBase } from '../../src/diffusion/base.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { countOf, dimsOf } from '../../src/onnx/tensor-data.ts';
import { DataType } from '../../src/onnx/types.ts';
import { loadUnet } from '../../src/training/engine.ts';
import { buildStepGraph } from '../../src/training/step-graph.ts';
import { goldenPath } from '../training/golden.ts';

/** Elements up to which a constant is a number, not a weight. */
const smallest = 16;

function folderOf(base: string): string {
  const test = goldenPath(`bases/${base}`);
  return existsSync(test) ? test : goldenPath(`../../bases/${base}`);
}

/** A finished step graph at the base's smallest useful size. */
function stepGraph(
  folder: string,
  name: 'lora' | 'para',
  layers: string,
  memory: 'fast' | 'lean',
  side: number,
): Graph {
  const base = openBase(folder);
  const method = methodByName(name);
  const shapes = {
    batch: 2,
    latentChannels: base.latentChannels,
    latentHeight: side,
    latentWidth: side,
    tokens: base.textEncoders[0]!.tokens,
  };
  const { graph, layers: found, inputs } = loadUnet(base, shapes);
  const chosen = chooseLayers(found, layers);
  const plan = method.plan(chosen, name === 'para' ? { rank: 2, gamma: 1 } : { rank: 2 });
  buildStepGraph(graph, { shapes, unet: inputs, method, plan, memory });
  return graph;
}

/** Operators that give a weight in another form, and those of them that need memory for it. */
const copying = new Set(['Cast', 'Transpose', 'Expand', 'Slice', 'Split', 'Gather', 'Pad', 'Concat', 'Neg']);
const formsOfAWeight = new Set([...copying, 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity']);

/** With a lone number, these give a weight again. */
const sums = new Set(['Add', 'Mul']);

const tell = (node: { opType: string; name: string }) => `${node.opType} ${node.name}`;

describe.each(['tiny-optimum', 'tiny-dynamo', 'pocket-sdxl'])('the step graph of %s', (base) => {
  describe.each([
    ['lora', 'attention', 'fast'],
    ['lora', 'attention', 'lean'],
    ['lora', 'all-linear', 'fast'],
    ['para', 'attention', 'fast'],
    ['para', 'attention', 'lean'],
  ] as const)('for %s on %s, %s', (method, layers, memory) => {
    let graph: Graph;
    beforeAll(() => {
      graph = stepGraph(folderOf(base), method, layers, memory, 8);
    });

    it('holds no node whose result nobody reads', () => {
      const read = new Set(graph.outputs.map((output) => output.name));
      const dead: string[] = [];
      for (const node of [...graph.nodes].reverse()) {
        if (node.output.some((name) => read.has(name))) for (const name of node.input) read.add(name);
        else dead.push(tell(node));
      }
      expect(dead).toEqual([]);
      const unread = [...graph.initializers.keys()].filter((name) => !read.has(name));
      expect(unread, 'initializers that nobody reads').toEqual([]);
    });

    it('holds every node after those it reads from, under a name of its own', () => {
      const made = new Set([...graph.initializers.keys(), ...graph.inputs.map((input) => input.name), '']);
      const early: string[] = [];
      const twice: string[] = [];
      for (const node of graph.nodes) {
        if (node.input.some((name) => !made.has(name))) early.push(tell(node));
        for (const name of node.output) {
          if (name && made.has(name)) twice.push(name);
          made.add(name);
        }
      }
      expect({ early, twice }).toEqual({ early: [], twice: [] });
      const names = graph.nodes.map((node) => node.name);
      expect(new Set(names).size).toBe(names.length);
    });

    it('copies no frozen weight: none is transposed, and only stored halves are unfolded, once', () => {
      // Values that hold a frozen weight, in whatever form, with that weight.
      const holds = new Map<string, string>();
      for (const tensor of graph.initializers.values())
        if (countOf(dimsOf(tensor)) > smallest) holds.set(tensor.name, tensor.name);
      const unfolded = new Set<string>();
      const copies: string[] = [];
      for (const node of graph.nodes) {
        const source = holds.get(node.input[0] ?? '');
        const other = graph.types.get(node.input[1] ?? '')?.shape ?? [];
        if (source !== undefined && sums.has(node.opType) && countOf(other as number[]) === 1)
          copies.push(tell(node));
        if (source === undefined || !formsOfAWeight.has(node.opType)) continue;
        holds.set(node.output[0]!, source);
        const half = graph.initializers.get(source)!.dataType === DataType.FLOAT16;
        const first = node.opType === 'Cast' && half && !unfolded.has(source);
        if (first) unfolded.add(source);
        if (!first && copying.has(node.opType)) copies.push(tell(node));
      }
      expect(copies).toEqual([]);
      const file = loadGraph(openBase(folderOf(base)).unet.path);
      const halves = [...file.initializers.values()].filter((t) => t.dataType === DataType.FLOAT16);
      if (halves.length === 0) expect(unfolded.size).toBe(0);
    });

    it('knows the type and shape of every value that a gradient passes', () => {
      const open = graph.nodes.flatMap((node) =>
        node.output
          .filter((name) => name && !graph.types.get(name))
          .map((name) => `${name} of ${tell(node)}`),
      );
      // The last node only names the gradient.
      expect(open.filter((name) => !name.startsWith('para.gradient'))).toEqual([]);
    });
  });
});
