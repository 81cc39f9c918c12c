import { floatAttribute, intAttribute } from '../../onnx/attributes.ts';
import { toNumbers } from '../../onnx/tensor-data.ts';
import type { Emitter } from '../emitter.ts';
import { register } from '../registry.ts';

/** Gradient of x in `n = (x - mean) * inverse` over `axes` (Ba et al. 2016): inverse (g - mean(g) - n mean(g n)). */
function normalised(emit: Emitter, g: string, n: string, inverse: string, axes: readonly number[]): string {
  const mean = emit.reduce('ReduceMean', g, axes, true);
  const along = emit.reduce('ReduceMean', emit.mul(g, n), axes, true);
  return emit.mul(emit.sub(emit.sub(g, mean), emit.mul(n, along)), inverse);
}

const allOnes = (emit: Emitter, name: string) => {
  const tensor = emit.graph.initializers.get(name);
  return tensor !== undefined && toNumbers(emit.graph, tensor).every((v) => v === 1);
};

register(['LayerNormalization'], ({ node, emit, outputs: [g], needs }) => {
  const [x, scale, bias] = node.input as [string, string, string | undefined];
  const shape = emit.shape(x);
  const axis = intAttribute(node, 'axis', -1);
  const first = axis < 0 ? axis + shape.length : axis;
  const axes = shape.map((_, i) => i).slice(first);
  const statistics = shape.map((d, i) => (i < first ? d : 1));
  // The operator's own mean and inverse deviation; asking for them costs nothing.
  while (node.output.length < 3) node.output.push('');
  for (const [i, hint] of [
    [1, 'mean'],
    [2, 'inverse_deviation'],
  ] as const) {
    if (node.output[i] === '') node.output[i] = emit.graph.uniqueName(`${node.name || 'norm'}.${hint}`);
    emit.graph.types.set(node.output[i]!, { type: 1, shape: statistics });
  }
  const plain = allOnes(emit, scale);
  const n = plain && !bias ? node.output[0]! : emit.mul(emit.sub(x, node.output[1]!), node.output[2]!);
  return [
    needs[0] ? normalised(emit, plain ? g! : emit.mul(g!, scale), n, node.output[2]!, axes) : undefined,
    needs[1] ? emit.sumTo(emit.mul(g!, n), emit.shape(scale)) : undefined,
    bias && needs[2] ? emit.sumTo(g!, emit.shape(bias)) : undefined,
  ];
});

/** Mean and inverse deviation over `axes`, for the operators that do not tell theirs. */
function normalise(emit: Emitter, x: string, axes: readonly number[], epsilon: number) {
  const centred = emit.sub(x, emit.reduce('ReduceMean', x, axes, true));
  const variance = emit.reduce('ReduceMean', emit.mul(centred, centred), axes, true);
  const deviation = emit.op('Sqrt', [emit.add(variance, emit.scalar(epsilon))], emit.shape(variance));
  const inverse = emit.op('Reciprocal', [deviation], emit.shape(deviation));
  return { n: emit.mul(centred, inverse), inverse };
}

register(['InstanceNormalization'], ({ node, emit, outputs: [g], needs }) => {
  const [x, scale, bias] = node.input as [string, string, string];
  const shape = emit.shape(x);
  const axes = shape.map((_, i) => i).slice(2);
  const perChannel = [1, shape[1]!, ...axes.map(() => 1)];
  const { n, inverse } = normalise(emit, x, axes, floatAttribute(node, 'epsilon', 1e-5));
  const toChannel = (v: string) => emit.reduce('ReduceSum', v, [0, ...axes], false);
  return [
    needs[0] ? normalised(emit, emit.mul(g!, emit.reshape(scale, perChannel)), n, inverse, axes) : undefined,
    needs[1] ? toChannel(emit.mul(g!, n)) : undefined,
    bias && needs[2] ? toChannel(g!) : undefined,
  ];
});

register(['GroupNormalization'], ({ node, emit, outputs: [g], needs }) => {
  const [x, scale, bias] = node.input as [string, string, string];
  const shape = emit.shape(x);
  const groups = intAttribute(node, 'num_groups', 1);
  const grouped = [shape[0]!, groups, -1];
  grouped[2] = shape.slice(1).reduce((a, b) => a * b, 1) / groups;
  const perChannel = [1, shape[1]!, ...shape.slice(2).map(() => 1)];
  const spread = emit.reshape(scale, perChannel);
  const { n, inverse } = normalise(
    emit,
    emit.reshape(x, grouped),
    [2],
    floatAttribute(node, 'epsilon', 1e-5),
  );
  const weighted = emit.reshape(emit.mul(g!, spread), grouped);
  const axes = [0, ...shape.map((_, i) => i).slice(2)];
  return [
    needs[0] ? emit.reshape(normalised(emit, weighted, n, inverse, [2]), shape) : undefined,
    needs[1] ? emit.reduce('ReduceSum', emit.mul(g!, emit.reshape(n, shape)), axes, false) : undefined,
    needs[2] && bias ? emit.reduce('ReduceSum', g!, axes, false) : undefined,
  ];
});
