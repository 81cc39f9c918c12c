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

const gaussian = (emit: Emitter, x: string, halfSquare: number, scale: number) => {
  const square = emit.mul(emit.mul(x, x), emit.scalar(-halfSquare));
  return emit.mul(emit.op('Exp', [square], emit.shape(x)), emit.scalar(scale));
};

// d erf(x) / dx = 2 / sqrt(pi) exp(-x^2)
register(['Erf'], ({ node, emit, outputs: [g] }) => [
  emit.mul(g!, gaussian(emit, node.input[0]!, 1, 1.1283791670955126)),
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
  const erf = emit.op('Erf', [emit.mul(x, emit.scalar(Math.SQRT1_2))], shape);
  const phi = emit.mul(emit.add(erf, emit.scalar(1)), emit.scalar(0.5));
  const density = gaussian(emit, x, 0.5, 0.3989422804014327);
  return [emit.mul(g!, emit.add(phi, emit.mul(x, density)))];
});

register(['Softmax'], ({ node, emit, outputs: [g] }) => {
  const y = node.output[0]!;
  const rank = emit.shape(y).length;
  const given = node.attribute.find((a) => a.name === 'axis');
  const axis = given ? Number(given.i) : -1;
  const weighted = emit.mul(g!, y);
  const sum = emit.reduce('ReduceSum', weighted, [axis < 0 ? axis + rank : axis], true);
  return [emit.sub(weighted, emit.mul(y, sum))];
});
