import { intAttribute, intsAttribute, stringAttribute } from '../../onnx/attributes.ts';
import { countOf } from '../../onnx/tensor-data.ts';
import type { Emitter } from '../emitter.ts';
import { type GradientRule, register } from '../registry.ts';
import { filled } from './fill.ts';

const rule: GradientRule = ({ node, emit, outputs: [g], needs }) => {
  const [x, w, bias] = node.input as [string, string, string | undefined];
  const [, , height, width] = emit.shape(x) as [number, number, number, number];
  const [dOut, , kh, kw] = emit.shape(w) as [number, number, number, number];
  const group = intAttribute(node, 'group', 1);
  const strides = intsAttribute(node, 'strides') ?? [1, 1];
  const dilations = intsAttribute(node, 'dilations') ?? [1, 1];
  const pads = intsAttribute(node, 'pads') ?? [0, 0, 0, 0];
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
    needs[1] ? weightGradient(emit, x, g!, emit.shape(w), strides, dilations, pads) : undefined,
    bias && needs[2] ? emit.reduce('ReduceSum', g!, [0, 2, 3], false) : undefined,
  ].map((v, i) => (i === 2 && v ? emit.reshape(v, [dOut]) : v));
};

register(['Conv'], rule, ({ node, emit, needs }) => {
  if (emit.shape(node.input[0]!).length !== 4) return 'it is not two-dimensional';
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return 'its padding is automatic';
  if (needs[1] && intAttribute(node, 'group', 1) !== 1)
    return 'the weight of a grouped convolution is trained';
  return undefined;
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
): string {
  const [dOut, dIn, kh, kw] = shape as [number, number, number, number];
  const batch = emit.shape(x)[0]!;
  const [, , gh, gw] = emit.shape(g) as [number, number, number, number];
  const padded = filled(emit, filled(emit, x, 2, pads[0]!, pads[2]!), 3, pads[1]!, pads[3]!);
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
