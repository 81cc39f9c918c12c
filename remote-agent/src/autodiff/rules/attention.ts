import { floatAttribute, intAttribute } from '../../onnx/attributes.ts';
import { DataType } from '../../onnx/types.ts';
import type { Emitter } from '../emitter.ts';
import { register } from '../registry.ts';

/** Bytes of probabilities from which on they are computed in blocks of queries, and the most blocks. */
export const probabilityBytes = 2 ** 25;
const mostBlocks = 8;

/** Attention on [batch, heads, tokens, width], forward values and the gradient of its output. */
interface Heads {
  readonly q: string;
  readonly k: string;
  /** k and v with their last two axes exchanged. */
  readonly turned: { readonly k: string; readonly v: string };
  readonly gradient: string;
  /** Sum of gradient times output over the width: [batch, heads, tokens, 1]. */
  readonly along: string;
  readonly scale: number;
  /** What is added to the scores, of their shape or one that broadcasts; or truth values. */
  readonly mask?: string | undefined;
}

type Gradients = { q?: string; k?: string; v?: string; mask?: string };

/**
 * Gradients of softmax(scale q k^T + mask) v (Vaswani et al. 2017, eq. 1). The probabilities p are computed again from q
 * and k, in blocks of queries, so that nothing of size tokens x tokens outlives a block: with g the output's gradient and
 * D the row sums of g times output, dv = p^T g, ds = p (g v^T - D), dq = scale ds k, dk = scale ds^T q (Dao et al. 2022,
 * "FlashAttention", appendix B.2). Every block waits for the gradients before it: computed early, its probabilities
 * would be kept until then.
 */
function attentionGradients(emit: Emitter, heads: Heads, needs: readonly boolean[]): Gradients {
  const { q, k, turned, gradient, along, scale, mask } = heads;
  const [b, h, n] = emit.shape(q) as [number, number, number];
  const count = Math.ceil((4 * b * h * n * emit.shape(turned.k)[3]!) / probabilityBytes);
  const rows = Math.ceil(n / Math.min(n, count, mostBlocks));
  const found: Gradients = {};
  const parts: string[] = [];
  const masks: string[] = [];
  let before = [gradient];
  const plus = (sum: string | undefined, more: string) => (sum === undefined ? more : emit.add(sum, more));
  for (let start = 0; start < n; start += rows) {
    const block = (x: string, axis = 2) =>
      rows >= n || emit.shape(x)[axis] !== n ? x : emit.slice(x, axis, start, Math.min(n, start + rows));
    const zero = emit.after(before);
    const scaled = emit.mul(block(q), emit.add(emit.scalar(scale), zero));
    const g = start === 0 ? block(gradient) : emit.add(block(gradient), zero);
    let scores = emit.matmul(scaled, turned.k);
    if (mask) scores = masked(emit, scores, block(mask, emit.shape(mask).length - 2));
    const p = emit.op('Softmax', [scores], emit.shape(scores), { axis: -1n });
    const dp = emit.matmul(g, turned.v);
    const ds = emit.exactly(() => emit.mul(p, emit.sub(dp, block(along))));
    if (needs[0]) parts.push(emit.matmul(ds, k));
    if (needs[1]) found.k = plus(found.k, emit.matmul(emit.swapLast(ds), scaled));
    if (needs[2]) found.v = plus(found.v, emit.matmul(emit.swapLast(p), g));
    if (needs[3]) masks.push(ds);
    before = [parts.at(-1), found.k, found.v, masks.at(-1)].filter((one) => one !== undefined);
  }
  if (needs[0]) found.q = emit.mul(emit.concat(parts, 2), emit.scalar(scale));
  if (needs[3]) found.mask = emit.sumTo(emit.concat(masks, 2), emit.shape(mask!));
  return found;
}

function masked(emit: Emitter, scores: string, mask: string): string {
  if ((emit.graph.types.get(mask)?.type ?? DataType.FLOAT) !== DataType.BOOL) return emit.add(scores, mask);
  return emit.op('Where', [mask, scores, emit.scalar(-Infinity)], emit.shape(scores));
}

register(
  ['Attention'],
  ({ node, emit, outputs: [g], needs }) => {
    const [q, k, v, mask] = node.input as [string, string, string, string | undefined];
    const scale = floatAttribute(node, 'scale', 1 / Math.sqrt(emit.shape(q)[3]!));
    const along = emit.reduce('ReduceSum', emit.mul(g!, node.output[0]!), [3], true);
    const turned = { k: emit.swapLast(k), v: emit.swapLast(v) };
    const found = attentionGradients(emit, { q, k, turned, gradient: g!, along, scale, mask }, needs);
    return [found.q, found.k, found.v, found.mask];
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

// The same on [batch, tokens, heads x width]: heads are cut apart for the gradients and joined behind them.
register(
  ['com.microsoft.MultiHeadAttention'],
  ({ node, emit, outputs: [g], needs }) => {
    const [q, k, v] = node.input as [string, string, string];
    const count = intAttribute(node, 'num_heads', 1);
    const apart = (x: string) => {
      const [b, n, width] = emit.shape(x) as [number, number, number];
      return emit.reshape(x, [b, n, count, width / count]);
    };
    const heads = (x: string) => emit.transpose(apart(x), [0, 2, 1, 3]);
    const turned = (x: string) => emit.transpose(apart(x), [0, 2, 3, 1]);
    const products = apart(emit.mul(g!, node.output[0]!));
    const along = emit.transpose(emit.reduce('ReduceSum', products, [3], true), [0, 2, 1, 3]);
    const given = floatAttribute(node, 'scale', 0);
    const scale = given === 0 ? Math.sqrt(count / emit.shape(q)[2]!) : given;
    const found = attentionGradients(
      emit,
      {
        q: heads(q),
        k: needs[0] ? heads(k) : k,
        turned: { k: turned(k), v: turned(v) },
        gradient: heads(g!),
        ...{ along, scale },
      },
      needs,
    );
    const joined = (x: string | undefined, like: string) =>
      x && emit.reshape(emit.transpose(x, [0, 2, 1, 3]), emit.shape(like));
    return [joined(found.q, q), joined(found.k, k), joined(found.v, v)];
  },
  ({ node, emit }) => {
    const [q, , v] = node.input as [string, string, string | undefined];
    if (!v || emit.shape(q).length !== 3 || emit.shape(v).length !== 3)
      return 'its inputs are not [batch, tokens, heads x width]';
    if (intAttribute(node, 'unidirectional', 0) !== 0) return 'it is causal by attribute';
    if (node.input.slice(3).some((name) => name !== '')) return 'it reads a bias, a mask or earlier keys';
    if (node.output.slice(1).some((name) => name !== '')) return 'it tells more than its result';
    return undefined;
  },
);
