import type { FloatTensor } from '../../src/adapters/method.ts';
import { decodeGraph } from '../../src/onnx/io.ts';
import { golden } from '../training/golden.ts';
import { type LossGraph, lossGraph } from './loss-graph.ts';

/** A small model with PyTorch's output and gradients (`tools/golden/rules.py`). */
export interface GoldenCase {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, FloatTensor>;
  /** Inputs x0, x1, ... in order. */
  readonly inputs: readonly string[];
}

/** All cases of `rules.safetensors`. */
export function goldenCases(): GoldenCase[] {
  const cases = new Map<string, Map<string, FloatTensor>>();
  for (const [key, tensor] of golden('rules/rules.safetensors').tensors) {
    const at = key.lastIndexOf('/');
    const name = key.slice(0, at);
    const tensors = cases.get(name) ?? new Map<string, FloatTensor>();
    cases.set(name, tensors.set(key.slice(at + 1), tensor));
  }
  return [...cases].map(([name, tensors]) => ({
    name,
    tensors,
    inputs: [...tensors.keys()]
      .filter((key) => key.startsWith('in.'))
      .map((key) => key.slice(3))
      .sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))),
  }));
}

/** The case's model with loss and gradients of all its inputs. */
export function goldenGraph({ tensors, inputs, name }: GoldenCase): LossGraph {
  const graph = decodeGraph(Uint8Array.from(tensors.get('model')!.data), undefined, name);
  return lossGraph(graph, 'y', inputs, () => Float32Array.from(tensors.get('weights')!.data));
}
