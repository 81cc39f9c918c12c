import { ParaError } from '../../common/errors.ts';
import { intAttribute, intsAttribute, stringAttribute } from '../../onnx/attributes.ts';
import { countOf } from '../../onnx/tensor-data.ts';
import type { Emitter } from '../emitter.ts';
import { register } from '../registry.ts';

register(['Conv'], ({ node, emit, outputs: [g], needs }) => {
  const [x, w, bias] = node.input as [string, string, string | undefined];
  const [, , height, width] = emit.shape(x) as [number, number, number, number];
  const [dOut, , kh, kw] = emit.shape(w) as [number, number, number, number];
  const group = intAttribute(node, 'group', 1);
  const strides = intsAttribute(node, 'strides') ?? [1, 1];
  const dilations = intsAttribute(node, 'dilations') ?? [1, 1];
  const pads = intsAttribute(node, 'pads') ?? [0, 0, 0, 0];
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET')
    throw new ParaError('no-gradient', 'A convolution with automatic padding has no gradient', {
      where: `node ${node.name}`,
      hint: 'export the model with explicit padding',
    });
  const [, , gh, gw] = emit.shape(g!) as [number, number, number, number];
  const kernel = [kh, kw];
  // What the stride left over at the far edge.
  const missing = [height, width].map((size, i) => {
    const reached = ([gh, gw][i]! - 1) * strides[i]! + dilations[i]! * (kernel[i]! - 1) + 1;
    return size - (reached - pads[i]! - pads[i + 2]!);
  });
  const inputGradient = () =>
    emit.op('ConvTranspose', [g!, w], emit.shape(x), {
      strides: strides.map(BigInt),
      dilations: dilations.map(BigInt),
      pads: pads.map(BigInt),
      group: BigInt(group),
      kernel_shape: kernel.map(BigInt),
      output_padding: missing.map(BigInt),
    });
  return [
    needs[0] ? inputGradient() : undefined,
    needs[1]
      ? weightGradient(emit, x, g!, emit.shape(w), strides, dilations, pads, group, node.name)
      : undefined,
    bias && needs[2] ? emit.reduce('ReduceSum', g!, [0, 2, 3], false) : undefined,
  ].map((v, i) => (i === 2 && v ? emit.reshape(v, [dOut]) : v));
});

/** dL/dW of a convolution: for each kernel position one product of the output gradient with the shifted input. */
function weightGradient(
  emit: Emitter,
  x: string,
  g: string,
  shape: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
  pads: readonly number[],
  group: number,
  name: string,
): string {
  if (group !== 1)
    throw new ParaError('no-gradient', 'The weight of a grouped convolution cannot be trained', {
      where: `node ${name}`,
      hint: 'leave this layer out',
    });
  const [dOut, dIn, kh, kw] = shape as [number, number, number, number];
  const [batch, , height, width] = emit.shape(x) as [number, number, number, number];
  const [, , gh, gw] = emit.shape(g) as [number, number, number, number];
  const padded = pads.some((p) => p > 0)
    ? emit.op(
        'Pad',
        [x, emit.ints([0, 0, pads[0]!, pads[1]!, 0, 0, pads[2]!, pads[3]!])],
        [batch, dIn, height + pads[0]! + pads[2]!, width + pads[1]! + pads[3]!],
      )
    : x;
  const positions = gh * gw;
  // [dOut, batch * positions], so that one Gemm sums over batch and positions.
  const byOut = emit.reshape(emit.transpose(emit.reshape(g, [batch, dOut, positions]), [1, 0, 2]), [
    dOut,
    batch * positions,
  ]);
  const taps: string[] = [];
  for (let i = 0; i < kh; i++)
    for (let j = 0; j < kw; j++) {
      const top = i * dilations[0]!;
      const left = j * dilations[1]!;
      const rows = emit.slice(padded, 2, top, top + (gh - 1) * strides[0]! + 1, strides[0]!);
      const patch = emit.slice(rows, 3, left, left + (gw - 1) * strides[1]! + 1, strides[1]!);
      const byIn = emit.reshape(emit.transpose(emit.reshape(patch, [batch, dIn, positions]), [1, 0, 2]), [
        dIn,
        batch * positions,
      ]);
      taps.push(emit.reshape(emit.gemm(byOut, byIn, false, true), [dOut, dIn, 1]));
    }
  return emit.reshape(emit.concat(taps, 2), [dOut, dIn, kh, countOf([kw])]);
}

// Nearest-neighbour enlargement by whole factors: the gradient is the sum over each block.
register(['Resize'], ({ node, emit, outputs: [g] }) => {
  const x = node.input[0]!;
  const from = emit.shape(x);
  const to = emit.shape(node.output[0]!);
  const factors = to.map((d, i) => d / from[i]!);
  if (stringAttribute(node, 'mode', 'nearest') !== 'nearest' || factors.some((f) => !Number.isInteger(f)))
    throw new ParaError(
      'no-gradient',
      'Resize has a gradient only for nearest enlargement by whole factors',
      {
        where: `node ${node.name}`,
        hint: 'choose a size whose latents divide evenly',
      },
    );
  const blocks = from.flatMap((d, i) => (factors[i] === 1 ? [d] : [d, factors[i]!]));
  const axes: number[] = [];
  let at = 0;
  for (const f of factors) {
    if (f !== 1) axes.push(at + 1);
    at += f === 1 ? 1 : 2;
  }
  return [axes.length === 0 ? g : emit.reduce('ReduceSum', emit.reshape(g!, blocks), axes, false)];
});
