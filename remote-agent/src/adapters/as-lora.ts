import { ParaError } from '../common/errors.ts';
import { type Adapter, operatorsOf } from './adapter.ts';
import type { FloatTensor, LayerOperator, TargetLayer } from './method.ts';

/** Reads a layer's weight from the base as f32[dOut, dIn * kh * kw]. */
export type ReadWeight = (path: string) => Float32Array;

/**
 * The same adapter as a LoRA. A projection is one exactly: `W0 - Q Q^T W0 = W0 + up down` with `up = -Q` and
 * `down = Q^T W0`, on the base whose weights are read and on no other. What a method adds besides lies side by side
 * with it, as a LoRA of the summed rank.
 */
export function asLora(adapter: Adapter, layers: readonly TargetLayer[], readWeight: ReadWeight): Adapter {
  if (adapter.method === 'lora') return adapter;
  const byPath = new Map(layers.map((layer) => [layer.path, layer]));
  const pieces = new Map<string, Piece[]>();
  for (const operator of operatorsOf(adapter)) {
    const { path, dOut } = operator;
    const layer = byPath.get(path);
    if (!layer || layer.dOut !== dOut)
      throw new ParaError('adapter', `The base has no layer ${path} of ${dOut} outputs`, {
        where: path,
        hint: 'the adapter was made for another base',
      });
    const list = pieces.get(path) ?? [];
    list.push(pieceOf(operator, readWeight));
    pieces.set(path, list);
  }
  const tensors = new Map<string, FloatTensor>();
  for (const [path, list] of pieces) {
    const { kind, dIn, dOut, kernel = [1, 1] } = byPath.get(path)!;
    const rank = list.reduce((sum, piece) => sum + piece.rank, 0);
    const conv = kind === 'conv';
    const { down, up } = sideBySide(list, dOut, rank);
    tensors.set(`${path}.lora_A.weight`, { dims: conv ? [rank, dIn, ...kernel] : [rank, dIn], data: down });
    tensors.set(`${path}.lora_B.weight`, { dims: conv ? [dOut, rank, 1, 1] : [dOut, rank], data: up });
  }
  return { ...adapter, method: 'lora', tensors, scales: new Map() };
}

/** A low-rank change `up down`: down f32[rank, inputs], up f32[dOut, rank]. */
interface Piece {
  readonly rank: number;
  readonly down: Float32Array;
  readonly up: Float32Array;
}

function pieceOf(operator: LayerOperator, readWeight: ReadWeight): Piece {
  const { rank, dOut, path } = operator;
  if (operator.kind === 'addition')
    return { rank, down: operator.down, up: operator.up.map((x) => operator.scale * x) };
  const { basis } = operator;
  return {
    rank,
    down: projected(basis, readWeight(path), dOut, rank),
    up: Float32Array.from(basis, (x) => -x),
  };
}

function sideBySide(
  pieces: readonly Piece[],
  dOut: number,
  rank: number,
): { down: Float32Array; up: Float32Array } {
  const inputs = pieces[0]!.down.length / pieces[0]!.rank;
  const down = new Float32Array(rank * inputs);
  const up = new Float32Array(dOut * rank);
  let first = 0;
  for (const piece of pieces) {
    down.set(piece.down, first * inputs);
    for (let o = 0; o < dOut; o++)
      for (let k = 0; k < piece.rank; k++) up[o * rank + first + k] = piece.up[o * piece.rank + k]!;
    first += piece.rank;
  }
  return { down, up };
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
