import { ParaError } from '../common/errors.ts';
import { type Adapter, operatorsOf } from './adapter.ts';
import type { FloatTensor, TargetLayer } from './method.ts';

/** Reads a layer's weight from the base as f32[dOut, dIn * kh * kw]. */
export type ReadWeight = (path: string) => Float32Array;

/**
 * The same adapter as a LoRA. A projection is one exactly: `W0 - Q Q^T W0 = W0 + up down` with `up = -Q` and
 * `down = Q^T W0`, on the base whose weights are read and on no other.
 */
export function asLora(adapter: Adapter, layers: readonly TargetLayer[], readWeight: ReadWeight): Adapter {
  if (adapter.method === 'lora') return adapter;
  const byPath = new Map(layers.map((layer) => [layer.path, layer]));
  const tensors = new Map<string, FloatTensor>();
  const scales = new Map<string, number>();
  for (const operator of operatorsOf(adapter)) {
    const { path, rank, dOut } = operator;
    const layer = byPath.get(path);
    if (!layer || layer.dOut !== dOut)
      throw new ParaError('adapter', `The base has no layer ${path} of ${dOut} outputs`, {
        where: path,
        hint: 'the adapter was made for another base',
      });
    if (operator.kind === 'addition')
      throw new ParaError('adapter', `The method ${adapter.method} cannot be written as one LoRA`, {
        where: path,
      });
    const [kh, kw] = layer.kernel ?? [1, 1];
    const down = projected(operator.basis, readWeight(path), dOut, rank);
    const up = Float32Array.from(operator.basis, (x) => -x);
    const conv = layer.kind === 'conv';
    tensors.set(`${path}.lora_A.weight`, {
      dims: conv ? [rank, layer.dIn, kh, kw] : [rank, layer.dIn],
      data: down,
    });
    tensors.set(`${path}.lora_B.weight`, { dims: conv ? [dOut, rank, 1, 1] : [dOut, rank], data: up });
  }
  return { ...adapter, method: 'lora', tensors, scales };
}

/** `Q^T W`, summed in f64: Q f64[dOut, rank], W f32[dOut, inputs]. */
function projected(basis: Float64Array, weight: Float32Array, dOut: number, rank: number): Float32Array {
  const inputs = weight.length / dOut;
  const sums = new Float64Array(rank * inputs);
  for (let o = 0; o < dOut; o++)
    for (let k = 0; k < rank; k++) {
      const q = basis[o * rank + k]!;
      for (let i = 0; i < inputs; i++) sums[k * inputs + i]! += q * weight[o * inputs + i]!;
    }
  return Float32Array.from(sums);
}
