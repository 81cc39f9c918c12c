import { stringAttribute } from '../../onnx/attributes.ts';
import type { NodeProto } from '../../onnx/proto/onnx_pb.ts';
import { register } from '../registry.ts';

/** Letters of each input and of the output. */
function termsOf(node: NodeProto): { inputs: string[]; output: string } {
  const equation = stringAttribute(node, 'equation', '').replaceAll(' ', '');
  const [left, right] = equation.split('->') as [string, string | undefined];
  const once = [...left.replaceAll(',', '')].filter((c, _i, all) => all.indexOf(c) === all.lastIndexOf(c));
  return { inputs: left.split(','), output: right ?? once.sort().join('') };
}

// A sum of products is linear in each input: its gradient is the sum of the products of all others with the gradient.
register(
  ['Einsum'],
  ({ node, emit, outputs: [g], needs }) => {
    const { inputs, output } = termsOf(node);
    return node.input.map((name, i) => {
      if (!needs[i]) return undefined;
      const others = inputs.map((_, k) => k).filter((k) => k !== i);
      const equation = `${[output, ...others.map((k) => inputs[k]!)].join(',')}->${inputs[i]}`;
      const factors = [g!, ...others.map((k) => node.input[k]!)];
      return emit.op('Einsum', factors, emit.shape(name), { equation });
    });
  },
  ({ node, needs }) => {
    const { inputs, output } = termsOf(node);
    if (inputs.some((t) => t.includes('.'))) return 'its equation has an ellipsis';
    if ([...inputs, output].some((t) => new Set(t).size < t.length)) return 'its equation takes a diagonal';
    const elsewhere = (i: number) => [output, ...inputs.filter((_, k) => k !== i)].join('');
    const lost = inputs.some((t, i) => needs[i] && [...t].some((c) => !elsewhere(i).includes(c)));
    return lost ? 'it sums one input alone' : undefined;
  },
);
