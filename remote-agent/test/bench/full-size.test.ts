import { expect, test } from 'vitest';
import { limitBlocks } from '../../bench/full-size/depth.ts';
import { growthPlot, straightLine } from '../../bench/full-size/growth-plot.ts';
import { openTemplate } from '../../src/diffusion/checkpoint/template.ts';

test('a U-Net that is cut to fewer transformer blocks is whole: every value is made, the output is the same', () => {
  const graph = openTemplate('sdxl', 'unet');
  const outputs = graph.outputs.map(({ name }) => name);
  expect(limitBlocks(graph, 3)).toBe(6 * 3 + 5 * 2);
  expect(graph.outputs.map(({ name }) => name)).toEqual(outputs);
  const made = new Set(['', ...graph.initializers.keys(), ...graph.inputs.map(({ name }) => name)]);
  for (const node of graph.nodes) {
    for (const name of node.input) expect(made.has(name), name).toBe(true);
    for (const name of node.output) made.add(name);
  }
  expect(graph.nodes.some(({ name }) => /transformer_blocks\.3\b/.test(name))).toBe(false);
});

test('a straight line through points on a line explains all of them', () => {
  const line = straightLine([1, 2, 4], [5, 7, 11]);
  expect(line.slope).toBeCloseTo(2);
  expect(line.start).toBeCloseTo(3);
  expect(line.explained).toBeCloseTo(1);
});

test('the plot of growth shows every depth that was measured', () => {
  const row = (blocks: number) => ({
    ...{ blocks, layers: 8 * blocks, forwardNodes: 100 * blocks, fastNodes: 200 * blocks },
    ...{ leanNodes: 300 * blocks, fastBytes: 1, leanBytes: 1, buildMs: 10 * blocks, sessionMs: 20 * blocks },
  });
  const svg = growthPlot([row(10), row(20), row(40)]);
  expect(svg.match(/<circle/g)).toHaveLength(3 * 8);
  expect(svg).not.toContain('NaN');
});
