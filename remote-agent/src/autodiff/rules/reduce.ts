import { intAttribute, intsAttribute } from '../../onnx/attributes.ts';
import { register } from '../registry.ts';

register(['ReduceSum', 'ReduceMean'], ({ node, emit, outputs: [g] }) => {
  const x = node.input[0]!;
  const shape = emit.shape(x);
  const given =
    intsAttribute(node, 'axes') ?? (node.input[1] ? emit.constantValues(node.input[1]) : undefined);
  const axes = (given ?? shape.map((_, i) => i)).map((a) => (a < 0 ? a + shape.length : a));
  const kept = shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const count = axes.reduce((n, a) => n * shape[a]!, 1);
  let gradient = emit.reshape(g!, kept);
  if (intAttribute(node, 'keepdims', 1) === 1) gradient = g!;
  if (node.opType === 'ReduceMean') gradient = emit.mul(gradient, emit.scalar(1 / count));
  return [emit.op('Expand', [gradient, emit.ints(shape)], shape), undefined];
});
