import { floatAttribute, intAttribute } from '../../onnx/attributes.ts';
import { type GradientRule, register } from '../registry.ts';

const matmul: GradientRule = ({ node, emit, outputs: [g], needs }) => {
  const [a, b] = node.input as [string, string];
  const x = emit.shape(a);
  const y = emit.shape(b);
  if (y.length === 2) {
    // Against a matrix: one Gemm over all rows. Its transB reads a frozen weight as it lies, without a copy.
    const rows = emit.flatRows(g!);
    return [
      needs[0] ? emit.reshape(emit.gemm(rows, b, false, true), x) : undefined,
      needs[1] ? emit.gemm(emit.flatRows(a), rows, true, false) : undefined,
    ];
  }
  return [
    needs[0] ? emit.sumTo(emit.matmul(g!, emit.swapLast(b)), x) : undefined,
    needs[1] ? emit.sumTo(emit.matmul(emit.swapLast(a), g!), y) : undefined,
  ];
};

register(['MatMul'], matmul, ({ node, emit }) => {
  const [x, y] = node.input.map((name) => emit.shape(name).length) as [number, number];
  if (y === 1) return 'its right side is a vector';
  return x === 1 && y > 2 ? 'its left side is a vector' : undefined;
});

register(['Gemm'], ({ node, emit, outputs: [g], needs }) => {
  const [a, b, c] = node.input as [string, string, string | undefined];
  const transA = intAttribute(node, 'transA', 0) === 1;
  const transB = intAttribute(node, 'transB', 0) === 1;
  const alpha = floatAttribute(node, 'alpha', 1);
  const beta = floatAttribute(node, 'beta', 1);
  const biasGradient = () => {
    const sum = emit.sumTo(g!, emit.shape(c!));
    return beta === 1 ? sum : emit.mul(sum, emit.scalar(beta));
  };
  return [
    needs[0]
      ? transA
        ? emit.gemm(b, g!, transB, true, alpha)
        : emit.gemm(g!, b, false, !transB, alpha)
      : undefined,
    needs[1]
      ? transB
        ? emit.gemm(g!, a, true, transA, alpha)
        : emit.gemm(a, g!, !transA, false, alpha)
      : undefined,
    c && needs[2] ? biasGradient() : undefined,
  ];
});
