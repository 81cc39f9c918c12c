import { intAttribute, intsAttribute } from '../../onnx/attributes.ts';
import { register } from '../registry.ts';

register(['Identity'], ({ outputs: [g] }) => [g]);

register(
  ['Dropout'],
  ({ outputs: [g] }) => [g],
  ({ node, emit }) =>
    node.input[2] && emit.constantValues(node.input[2])?.[0] !== 0 ? 'it drops values at random' : undefined,
);

register(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'], ({ node, emit, outputs: [g] }) => [
  emit.reshape(g!, emit.shape(node.input[0]!)),
]);

register(['Transpose'], ({ node, emit, outputs: [g] }) => {
  const rank = emit.shape(g!).length;
  const perm = intsAttribute(node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return [
    emit.transpose(
      g!,
      perm.map((_, i) => perm.indexOf(i)),
    ),
  ];
});

register(['Expand'], ({ node, emit, outputs: [g] }) => [
  emit.sumTo(g!, emit.shape(node.input[0]!)),
  undefined,
]);

// Gradients are f32 throughout; a cast between float types passes them on.
register(['Cast'], ({ node, emit, outputs: [g] }) => {
  const from = emit.graph.types.get(node.input[0]!)?.type ?? 1;
  const to = intAttribute(node, 'to', 1);
  return [from === to ? g : emit.op('Cast', [g!], emit.shape(g!), { to: BigInt(from) }, from)];
});
