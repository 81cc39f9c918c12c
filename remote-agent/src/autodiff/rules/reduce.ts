import { intAttribute } from '../../onnx/attributes.ts';
import { reducedAxes } from '../../onnx/shapes.ts';
import { DataType } from '../../onnx/types.ts';
import type { Emitter } from '../emitter.ts';
import { type NodeContext, type RuleContext, register, type Supports } from '../registry.ts';

/** Reduced axes of a node, `undefined` where they are not constants. */
function axesOf({ node, emit }: NodeContext): number[] | undefined {
  const axes = node.input[1] ? emit.constantValues(node.input[1]) : undefined;
  if (node.input[1] && !axes) return undefined;
  return reducedAxes(node, emit.shape(node.input[0]!).length, axes);
}

const supports: Supports = (context) => (axesOf(context) ? undefined : 'its axes are not constants');

/** A value of the output's shape with the reduced axes put back as 1. */
function kept(context: RuleContext, value: string): string {
  const { node, emit } = context;
  if (intAttribute(node, 'keepdims', 1) === 1) return value;
  const axes = axesOf(context)!;
  return emit.reshape(
    value,
    emit.shape(node.input[0]!).map((d, i) => (axes.includes(i) ? 1 : d)),
  );
}

register(
  ['ReduceSum', 'ReduceMean'],
  (context) => {
    const { node, emit, outputs } = context;
    const shape = emit.shape(node.input[0]!);
    const count = axesOf(context)!.reduce((n, a) => n * shape[a]!, 1);
    let gradient = kept(context, outputs[0]!);
    if (node.opType === 'ReduceMean') gradient = emit.mul(gradient, emit.scalar(1 / count));
    return [emit.op('Expand', [gradient, emit.ints(shape)], shape), undefined];
  },
  supports,
);

register(
  ['ReduceSumSquare'],
  (context) => {
    const { node, emit, outputs } = context;
    const twice = emit.mul(kept(context, outputs[0]!), emit.scalar(2));
    return [emit.mul(node.input[0]!, twice), undefined];
  },
  supports,
);

const equal = (emit: Emitter, a: string, b: string) =>
  emit.op('Equal', [a, b], emit.broadcast(a, b), {}, DataType.BOOL);

// d |x| / dx = x / |x|, and nothing at 0.
register(
  ['ReduceL2'],
  (context) => {
    const { node, emit, outputs } = context;
    const length = kept(context, node.output[0]!);
    const isZero = equal(emit, length, emit.scalar(0));
    const safe = emit.op('Where', [isZero, emit.scalar(1), length], emit.shape(length));
    return [emit.mul(node.input[0]!, emit.div(kept(context, outputs[0]!), safe)), undefined];
  },
  supports,
);

// Shared equally among elements that are largest (smallest) together.
register(
  ['ReduceMax', 'ReduceMin'],
  (context) => {
    const { node, emit, outputs } = context;
    const x = node.input[0]!;
    const chosen = emit.op('Cast', [equal(emit, x, kept(context, node.output[0]!))], emit.shape(x), {
      to: BigInt(DataType.FLOAT),
    });
    const ties = emit.reduce('ReduceSum', chosen, axesOf(context)!, true);
    return [emit.mul(chosen, emit.div(kept(context, outputs[0]!), ties)), undefined];
  },
  supports,
);
