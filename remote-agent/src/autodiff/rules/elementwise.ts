import { DataType } from '../../onnx/types.ts';
import { register } from '../registry.ts';

register(['Add'], ({ node, emit, outputs: [g], needs }) =>
  node.input.map((name, i) => (needs[i] ? emit.sumTo(g!, emit.shape(name)) : undefined)),
);

register(['Sum'], ({ node, emit, outputs: [g], needs }) =>
  node.input.map((name, i) => (needs[i] ? emit.sumTo(g!, emit.shape(name)) : undefined)),
);

register(['Sub'], ({ node, emit, outputs: [g], needs }) => [
  needs[0] ? emit.sumTo(g!, emit.shape(node.input[0]!)) : undefined,
  needs[1]
    ? emit.op('Neg', [emit.sumTo(g!, emit.shape(node.input[1]!))], emit.shape(node.input[1]!))
    : undefined,
]);

register(['Mul'], ({ node, emit, outputs: [g], needs, producer }) => {
  const [a, b] = node.input as [string, string];
  if (a === b) return [emit.mul(emit.mul(g!, a), emit.scalar(2)), undefined];
  for (const [x, s, at] of [
    [a, b, 0],
    [b, a, 1],
  ] as const) {
    const made = producer(s);
    if (made?.opType !== 'Sigmoid' || made.input[0] !== x) continue;
    // SiLU y = x s: dy/dx = s + y - y s, in one step instead of three (Elfwing et al. 2018, eq. 4).
    const y = node.output[0]!;
    const slope = emit.add(s, emit.sub(y, emit.mul(y, s)));
    const gradient = emit.mul(g!, slope);
    return at === 0 ? [gradient, undefined] : [undefined, gradient];
  }
  return [
    needs[0] ? emit.sumTo(emit.mul(g!, b), emit.shape(a)) : undefined,
    needs[1] ? emit.sumTo(emit.mul(g!, a), emit.shape(b)) : undefined,
  ];
});

register(['Div'], ({ node, emit, outputs: [g], needs }) => {
  const [a, b] = node.input as [string, string];
  const quotient = emit.div(g!, b);
  return [
    needs[0] ? emit.sumTo(quotient, emit.shape(a)) : undefined,
    needs[1]
      ? emit.sumTo(emit.op('Neg', [emit.mul(quotient, node.output[0]!)], emit.broadcast(a, b)), emit.shape(b))
      : undefined,
  ];
});

const unary = (
  operator: string,
  slope: (
    emit: Parameters<Parameters<typeof register>[1]>[0]['emit'],
    g: string,
    x: string,
    y: string,
  ) => string,
) =>
  register([operator], ({ node, emit, outputs: [g] }) => [slope(emit, g!, node.input[0]!, node.output[0]!)]);

unary('Neg', (emit, g, x) => emit.op('Neg', [g], emit.shape(x)));
unary('Exp', (emit, g, _x, y) => emit.mul(g, y));
unary('Log', (emit, g, x) => emit.div(g, x));
unary('Abs', (emit, g, x) => emit.mul(g, emit.op('Sign', [x], emit.shape(x))));
unary('Sqrt', (emit, g, _x, y) => emit.mul(emit.div(g, y), emit.scalar(0.5)));
unary('Reciprocal', (emit, g, _x, y) => emit.op('Neg', [emit.mul(g, emit.mul(y, y))], emit.shape(y)));

register(
  ['Pow'],
  ({ node, emit, outputs: [g], needs }) => {
    const [x, p] = node.input as [string, string];
    const shape = emit.shape(x);
    const [exponent, ...more] = emit.constantValues(p) ?? [];
    if (exponent !== undefined && more.length === 0) {
      if (exponent === 0) return [undefined, undefined];
      const power =
        exponent === 2
          ? x
          : exponent === 1
            ? emit.scalar(1)
            : emit.op('Pow', [x, emit.scalar(exponent - 1)], shape);
      return [emit.sumTo(emit.mul(emit.mul(g!, power), emit.scalar(exponent)), shape), undefined];
    }
    const y = node.output[0]!;
    const less = emit.op('Pow', [x, emit.sub(p, emit.scalar(1))], emit.broadcast(x, p));
    return [
      needs[0] ? emit.sumTo(emit.mul(emit.mul(g!, p), less), shape) : undefined,
      needs[1] ? emit.sumTo(emit.mul(emit.mul(g!, y), emit.op('Log', [x], shape)), emit.shape(p)) : undefined,
    ];
  },
  ({ node, emit }) => {
    const [, p] = node.input as [string, string];
    const type = emit.graph.initializers.get(p)?.dataType ?? emit.graph.types.get(p)?.type;
    return type !== DataType.FLOAT && emit.constantValues(p)?.length !== 1
      ? 'its exponents are not of the same type'
      : undefined;
  },
);

// Passed on where nothing was cut off, both bounds included.
register(
  ['Clip'],
  ({ node, emit, outputs: [g] }) => {
    const x = node.input[0]!;
    const shape = emit.shape(x);
    const inside = emit.op('Equal', [x, node.output[0]!], shape, {}, DataType.BOOL);
    return [emit.op('Where', [inside, g!, emit.scalar(0)], shape)];
  },
  ({ needs }) => (needs[1] || needs[2] ? 'its bounds depend on what is trained' : undefined),
);

// Shared equally among inputs that are largest (smallest) together.
register(['Max', 'Min'], ({ node, emit, outputs: [g], needs }) => {
  const y = node.output[0]!;
  const shape = emit.shape(y);
  const chosen = node.input.map((name) =>
    emit.op('Cast', [emit.op('Equal', [name, y], shape, {}, DataType.BOOL)], shape, {
      to: BigInt(DataType.FLOAT),
    }),
  );
  const share =
    chosen.length > 1
      ? emit.div(
          g!,
          chosen.reduce((a, b) => emit.add(a, b)),
        )
      : g!;
  return node.input.map((name, i) =>
    needs[i] ? emit.sumTo(emit.mul(share, chosen[i]!), emit.shape(name)) : undefined,
  );
});
