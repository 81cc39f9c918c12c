import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkBase } from '../../src/diffusion/base-check.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { loadGraph, saveGraph } from '../../src/onnx/io.ts';
import { goldenPath } from '../training/golden.ts';

const scratch = mkdtempSync(join(tmpdir(), 'para-fused-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A copy of a base with its U-Net changed. */
function changed(name: string, edit: (graph: Graph) => void): string {
  const copy = join(scratch, name);
  cpSync(goldenPath('bases/tiny-dynamo'), copy, { recursive: true });
  const path = join(copy, 'unet/model.onnx');
  const graph = loadGraph(path);
  graph.setOpset(1, 'com.microsoft');
  edit(graph);
  saveGraph(graph, path);
  return copy;
}

/** Makes every node of one kind look like an optimiser's. */
const fuse = (graph: Graph, from: string, to: string) => {
  const nodes = graph.nodes.filter((node) => node.opType === from);
  for (const node of nodes) {
    node.opType = to;
    node.domain = 'com.microsoft';
  }
  return nodes.length;
};

describe('para base check of an optimised U-Net', () => {
  it('lists all fused operators with their numbers, not only the first', async () => {
    const counts: [string, number][] = [];
    const folder = changed('unknown', (graph) => {
      for (const [from, to] of [
        ['Erf', 'BiasSplitGelu'],
        ['InstanceNormalization', 'GroupNorm'],
        ['Softmax', 'MultiHeadAttention'],
      ] as const)
        counts.push([to, fuse(graph, from, to)]);
    });
    const { problems } = await checkBase(folder, { threads: 1 });
    const found = problems.find((p) => p.prevents === 'training and adapters');
    expect(found?.part).toBe('unet');
    expect(found?.hint).toMatch(/without fusion/);
    for (const [operator, count] of counts) {
      expect(count).toBeGreaterThan(1);
      expect(found?.what).toContain(`com.microsoft.${operator} x ${count}`);
    }
  });

  it('says that training is not possible where only the gradient is missing', async () => {
    let products = 0;
    const folder = changed('fused-products', (graph) => {
      const weights = new Set(graph.initializers.keys());
      for (const node of graph.nodes)
        if (node.opType === 'MatMul' && !weights.has(node.input[1]!)) {
          node.opType = 'FusedMatMul';
          node.domain = 'com.microsoft';
          products++;
        }
    });
    const { problems } = await checkBase(folder, { threads: 1 });
    expect(problems.map((p) => [p.part, p.prevents])).toEqual([['unet', 'training']]);
    expect(problems[0]!.what).toContain('com.microsoft.FusedMatMul');
    expect(problems[0]!.what).toContain(`(${products} nodes)`);
    expect(problems[0]!.hint).toMatch(/without fusion/);
  });

  it('says which operator set is too old to be trained', async () => {
    const folder = changed('old', (graph) => graph.setOpset(12));
    const { problems } = await checkBase(folder, { threads: 1 });
    expect(problems.some((p) => /too old/.test(p.what) && p.what.includes('opset 12'))).toBe(true);
  });
});
