import { stringAttribute } from '../../onnx/attributes.ts';
import type { Emitter } from '../emitter.ts';
import { register } from '../registry.ts';

register(['Sigmoid'], ({ node, emit, outputs: [g] }) => {
  const s = node.output[0]!;
  return [emit.mul(g!, emit.sub(s, emit.mul(s, s)))];
});

register(['Tanh'], ({ node, emit, outputs: [g] }) => {
  const y = node.output[0]!;
  return [emit.mul(g!, emit.sub(emit.scalar(1), emit.mul(y, y)))];
});

register(['Relu'], ({ node, emit, outputs: [g] }) => {
  const y = node.output[0]!;
  return [emit.mul(g!, emit.op('Sign', [y], emit.shape(y)))];
});

/** scale exp(-u^2). */
const gaussian = (emit: Emitter, u: string, scale: number) =>
  emit.op('Exp', [emit.sub(emit.scalar(Math.log(scale)), emit.mul(u, u))], emit.shape(u));

// d erf(x) / dx = 2 / sqrt(pi) exp(-x^2)
register(['Erf'], ({ node, emit, outputs: [g] }) => [
  emit.mul(g!, gaussian(emit, node.input[0]!, 1.1283791670955126)),
]);

// Hendrycks & Gimpel 2016: exact x Phi(x), or its tanh approximation.
register(['Gelu'], ({ node, emit, outputs: [g] }) => {
  const x = node.input[0]!;
  const shape = emit.shape(x);
  if (stringAttribute(node, 'approximate', 'none') === 'tanh') {
    const cubic = emit.mul(emit.mul(x, x), emit.scalar(0.044715));
    const inner = emit.mul(emit.mul(x, emit.add(cubic, emit.scalar(1))), emit.scalar(0.7978845608028654));
    const t = emit.op('Tanh', [inner], shape);
    const slopeInner = emit.mul(
      emit.add(emit.mul(cubic, emit.scalar(3)), emit.scalar(1)),
      emit.scalar(0.7978845608028654),
    );
    const right = emit.mul(emit.mul(x, emit.sub(emit.scalar(1), emit.mul(t, t))), slopeInner);
    const sum = emit.add(emit.add(t, emit.scalar(1)), right);
    return [emit.mul(g!, emit.mul(sum, emit.scalar(0.5)))];
  }
  const u = emit.mul(x, emit.scalar(Math.SQRT1_2));
  const erf = emit.op('Erf', [u], shape);
  const phi = emit.mul(emit.add(erf, emit.scalar(1)), emit.scalar(0.5));
  const density = gaussian(emit, u, 0.3989422804014327);
  return [emit.mul(g!, emit.add(phi, emit.mul(x, density)))];
});

// y (g - sum(g y)) along the axis. Of attention probabilities y with c = y v and g = gc v^T, that sum is the one of gc c
// (Dao et al. 2022, "FlashAttention", appendix B.2), which is as long as a head is wide instead of as the tokens are many.
register(['Softmax'], ({ node, emit, outputs: [g], consumers }) => {
  const y = node.output[0]!;
  const shape = emit.shape(y);
  const given = node.attribute.find((a) => a.name === 'axis');
  const axis = given ? Number(given.i) : -1;
  const last = axis === -1 || axis === shape.length - 1;
  const product = emit.madeBy(g!);
  const reader = consumers(y).find((one) => one.opType === 'MatMul' && one.input[0] === y);
  if (last && product?.type === 'MatMul' && reader && consumers(y).length === 1) {
    const [outer, turned] = product.inputs as [string, string];
    const c = reader.output[0]!;
    const isValues = emit.madeBy(turned)?.inputs[0] === reader.input[1];
    if (
      isValues &&
      emit.shape(outer).join() === emit.shape(c).join() &&
      emit.shape(c).at(-1)! < shape.at(-1)!
    ) {
      const sum = emit.reduce('ReduceSum', emit.mul(outer, c), [shape.length - 1], true);
      return [emit.mul(y, emit.sub(g!, sum))];
    }
  }
  const weighted = emit.mul(g!, y);
  const sum = emit.reduce('ReduceSum', weighted, [axis < 0 ? axis + shape.length : axis], true);
  return [emit.sub(weighted, emit.mul(y, sum))];
});
