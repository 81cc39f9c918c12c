import { describe, expect, it } from 'vitest';
import { canonicalise } from '../../src/autodiff/canonicalise.ts';
import { findObstacles, gradientPath } from '../../src/autodiff/path.ts';
import { liftOpset } from '../../src/onnx/lift-opset.ts';
import { findLayers } from '../../src/onnx/modules.ts';
import { simplify } from '../../src/onnx/simplify.ts';
import { loadPart, parts } from '../onnx/parts.ts';

describe('a gradient can be made', () => {
  it.each(parts)('from every layer of %s, %s to its outputs', (base, part) => {
    const { graph } = loadPart(base, part);
    const layers = new Set(findLayers(graph).layers.map((layer) => layer.node));
    simplify(graph);
    liftOpset(graph);
    canonicalise(graph);
    const sources = graph.nodes.filter((node) => layers.has(node.name)).flatMap((node) => node.output);
    expect(sources.length).toBeGreaterThan(5);
    const path = gradientPath(
      graph,
      graph.outputs.map((output) => output.name),
      sources,
    );
    expect(path.nodes.length).toBeGreaterThan(sources.length / 2);
    expect(findObstacles(graph, path)).toEqual([]);
  });
});
