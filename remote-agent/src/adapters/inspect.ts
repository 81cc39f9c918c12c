import type { Adapter } from './adapter.ts';
import { operatorsOf } from './adapter.ts';
import type { Addition } from './method.ts';

/** What `inspectAdapter` finds out about one layer. */
export interface LayerReport {
  readonly path: string;
  readonly rank: number;
  readonly dOut: number;
  /** LoRA: alpha / rank. */
  readonly scale?: number;
  /** Frobenius norm: LoRA of the weight change `scale B A`; PaRa of the matrix B, whose span is removed. */
  readonly norm: number;
}

export interface AdapterReport {
  readonly method: Adapter['method'];
  readonly layers: readonly LayerReport[];
  readonly parameters: number;
  readonly info: Adapter['info'];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Method, rank and norm of every layer, metadata: what `para inspect` prints of an adapter. */
export function inspectAdapter(adapter: Adapter): AdapterReport {
  let parameters = 0;
  for (const { data } of adapter.tensors.values()) parameters += data.length;
  const layers = operatorsOf(adapter).map((operator): LayerReport => {
    const { path, rank, dOut } = operator;
    if (operator.kind === 'addition')
      return { path, rank, dOut, scale: operator.scale, norm: additionNorm(operator) };
    let sum = 0;
    for (const x of adapter.tensors.get(`${path}.para_B.weight`)?.data ?? []) sum += x * x;
    return { path, rank, dOut, norm: Math.sqrt(sum) };
  });
  return { method: adapter.method, layers, parameters, info: adapter.info, metadata: adapter.metadata };
}

/** `|B A|` by the two Gram matrices, of rank x rank only: `|B A|^2 = sum((B^T B) * (A A^T))`. */
function additionNorm({ down, up, rank, dOut, scale }: Addition): number {
  const inputs = down.length / rank;
  let sum = 0;
  for (let i = 0; i < rank; i++)
    for (let j = 0; j < rank; j++) {
      let a = 0;
      let b = 0;
      for (let k = 0; k < inputs; k++) a += down[i * inputs + k]! * down[j * inputs + k]!;
      for (let o = 0; o < dOut; o++) b += up[o * rank + i]! * up[o * rank + j]!;
      sum += a * b;
    }
  return Math.abs(scale) * Math.sqrt(Math.max(0, sum));
}
