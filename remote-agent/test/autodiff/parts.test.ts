import { describe, expect, it } from 'vitest';
import { canonicalise } from '../../src/autodiff/canonicalise.ts';
import { Emitter } from '../../src/autodiff/emitter.ts';
import { gradients } from '../../src/autodiff/gradients.ts';
import { findObstacles, gradientPath } from '../../src/autodiff/path.ts';
import { liftOpset } from '../../src/onnx/lift-opset.ts';
import { findLayers } from '../../src/onnx/modules.ts';
import { simplify } from '../../src/onnx/simplify.ts';
import { DataType } from '../../src/onnx/types.ts';
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
    const emit = new Emitter(graph);
    const loss = graph.add('ReduceSumSquare', [graph.outputs[0]!.name], { attributes: { keepdims: 0n } });
    graph.types.set(loss, { type: DataType.FLOAT, shape: [] });
    const found = gradients(graph, loss, sources);
    for (const name of sources) expect(emit.shape(found.get(name)!), name).toEqual(emit.shape(name));
  });
});
