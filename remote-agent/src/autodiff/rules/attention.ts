import { floatAttribute, intAttribute } from '../../onnx/attributes.ts';
import { DataType } from '../../onnx/types.ts';
import { register } from '../registry.ts';

const maskType = (graph: { types: ReadonlyMap<string, { type: number }> }, mask: string) =>
  graph.types.get(mask)?.type ?? DataType.FLOAT;

// Scaled dot-product attention (Vaswani et al. 2017, eq. 1) on [batch, heads, tokens, width]: the probabilities are
// computed again, so that nothing of size tokens x tokens is kept from the forward pass.
register(
  ['Attention'],
  ({ node, emit, outputs: [g], needs }) => {
    const [q, k, v, mask] = node.input as [string, string, string, string | undefined];
    const width = emit.shape(q)[3]!;
    const scale = emit.scalar(floatAttribute(node, 'scale', 1 / Math.sqrt(width)));
    let scores = emit.mul(emit.matmul(q, emit.swapLast(k)), scale);
    if (mask && maskType(emit.graph, mask) === DataType.BOOL)
      scores = emit.op('Where', [mask, scores, emit.scalar(-Infinity)], emit.shape(scores));
    else if (mask) scores = emit.add(scores, mask);
    const p = emit.op('Softmax', [scores], emit.shape(scores), { axis: -1n });
    const dp = emit.mul(emit.matmul(g!, emit.swapLast(v)), p);
    const dScores = emit.sub(dp, emit.mul(p, emit.reduce('ReduceSum', dp, [3], true)));
    const ds = emit.mul(dScores, scale);
    return [
      needs[0] ? emit.matmul(ds, k) : undefined,
      needs[1] ? emit.matmul(emit.swapLast(ds), q) : undefined,
      needs[2] ? emit.matmul(emit.swapLast(p), g!) : undefined,
      mask && needs[3] ? emit.sumTo(dScores, emit.shape(mask)) : undefined,
    ];
  },
  ({ node, emit }) => {
    const [q, k] = node.input as [string, string];
    if (emit.shape(q).length !== 4) return 'its inputs are not [batch, heads, tokens, width]';
    if (emit.shape(q)[1] !== emit.shape(k)[1]) return 'several queries share one key';
    if (intAttribute(node, 'is_causal', 0) !== 0) return 'it is causal by attribute instead of by mask';
    if (floatAttribute(node, 'softcap', 0) !== 0) return 'it caps its scores';
    if (node.input.slice(4).some((name) => name !== '')) return 'it reads earlier keys';
    if (node.output.slice(1).some((name) => name !== '')) return 'it tells more than its result';
    return undefined;
  },
);
