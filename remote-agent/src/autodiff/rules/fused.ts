import './activation.ts';
import { floatAttribute } from '../../onnx/attributes.ts';
import { register, ruleFor } from '../registry.ts';

// Fused operators that keep the form of one known function; all others are told as obstacles.
register(['com.microsoft.Gelu'], ruleFor('Gelu')!);

// y = x s(alpha x): dy/dx = s + alpha (y - y s) (Elfwing et al. 2018, eq. 4).
register(['com.microsoft.QuickGelu'], ({ node, emit, outputs: [g] }) => {
  const x = node.input[0]!;
  const y = node.output[0]!;
  const alpha = emit.scalar(floatAttribute(node, 'alpha', 1.702));
  const s = emit.op('Sigmoid', [emit.mul(x, alpha)], emit.shape(x));
  return [emit.mul(g!, emit.add(s, emit.mul(alpha, emit.sub(y, emit.mul(y, s)))))];
});
