import { ParaError } from '../../common/errors.ts';
import { floatAttribute } from '../../onnx/attributes.ts';
import { register } from '../registry.ts';

// Scaled dot-product attention (Vaswani et al. 2017, eq. 1) on [batch, heads, tokens, width]: the probabilities are
// computed again, so that nothing of size tokens x tokens is kept from the forward pass.
register(['Attention'], ({ node, emit, outputs: [g], needs }) => {
  const [q, k, v, mask] = node.input as [string, string, string, string | undefined];
  const rank = emit.shape(q).length;
  if (rank !== 4 || emit.shape(q)[1] !== emit.shape(k)[1])
    throw new ParaError('no-gradient', 'This form of Attention has no gradient', {
      where: `node ${node.name}`,
      hint: 'export the model at opset 18',
    });
  const width = emit.shape(q)[3]!;
  const scale = emit.scalar(floatAttribute(node, 'scale', 1 / Math.sqrt(width)));
  const products = emit.mul(emit.matmul(q, emit.swapLast(k)), scale);
  const scores = mask ? emit.add(products, mask) : products;
  const p = emit.op('Softmax', [scores], emit.shape(scores), { axis: -1n });
  const dp = emit.mul(emit.matmul(g!, emit.swapLast(v)), p);
  const ds = emit.mul(emit.sub(dp, emit.mul(p, emit.reduce('ReduceSum', dp, [3], true))), scale);
  return [
    needs[0] ? emit.matmul(ds, k) : undefined,
    needs[1] ? emit.matmul(emit.swapLast(ds), q) : undefined,
    needs[2] ? emit.matmul(emit.swapLast(p), g!) : undefined,
  ];
});
