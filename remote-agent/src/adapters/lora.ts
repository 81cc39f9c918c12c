import { ParaError } from '../common/errors.ts';
import { Random } from '../common/random.ts';
import { DataType } from '../onnx/types.ts';
import { addToOutput } from './low-rank.ts';
import type { LayerOperator, Method, MethodSettings, PlannedLayer } from './method.ts';
import { checkRank, layOut, refuseForeign, takeTensor, transposed } from './plan.ts';
import { Rewiring } from './rewiring.ts';

/** Scale of the LoRA baseline in the PaRa paper. */
export const paperScale = 2.2;

const partA = 'lora_A.weight';
const partB = 'lora_B.weight';

/**
 * LoRA: `y = y0 + scale * B A x` (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, section
 * 4.1), A Kaiming-uniform and B zero at the start as in PEFT, no dropout. For a convolution A is a convolution of
 * the layer's kernel and B a 1 x 1 one. The flat vector holds per layer A as the graph multiplies by it, linear
 * [dIn, r] or convolution [r, dIn, kh, kw], then B [dOut, r].
 */
export const lora: Method = {
  name: 'lora',
  strength: { minimum: -Infinity, maximum: Infinity, because: '' },

  plan(layers, settings) {
    // `init` speaks of PaRa's B; a subject file carries its default for every method.
    refuseForeign('lora', settings, ['rank', 'alpha', 'scale', 'init']);
    const { rank = 16 } = settings;
    checkRank(rank);
    const share = ({
      dIn,
      dOut,
      kernel: [kh, kw],
    }: {
      dIn: number;
      dOut: number;
      kernel: readonly [number, number];
    }) => ({
      rank,
      length: rank * (dIn * kh * kw + dOut),
    });
    return layOut('lora', layers, share, { scale: scaleOf(settings, rank) });
  },

  initialise(plan, seed) {
    const values = new Float32Array(plan.parameterCount);
    for (const layer of plan.layers) {
      const random = new Random(seed, `lora:${layer.path}`);
      const inputs = inputSize(layer);
      // Kaiming-uniform with a = sqrt 5: bound 1 / sqrt(fan-in).
      const bound = 1 / Math.sqrt(inputs);
      const count = inputs * layer.rank;
      for (let i = 0; i < count; i++) values[layer.offset + i] = bound * (2 * random.uniform() - 1);
    }
    return values;
  },

  attach(graph, plan, coefficients) {
    const rewiring = new Rewiring(graph);
    const sites = plan.layers.map((layer) => layer.nodes.map((node) => rewiring.open(node)));
    const types = sites.map(([first]) => first!.type?.type ?? DataType.FLOAT);
    rewiring.openStart();
    const parts = rewiring.parts(
      coefficients,
      plan.layers.flatMap(({ path, rank, dIn, dOut, kernel, kind }, i) => {
        const dims = kind === 'conv' ? [rank, dIn, ...kernel] : [dIn, rank];
        const type = types[i]!;
        return [
          { dims, rank, hint: `${path}.lora_a`, type },
          { dims: [dOut, rank], rank, hint: `${path}.lora_b`, type },
        ];
      }),
    );
    plan.layers.forEach((layer, i) => {
      const { path, rank, dOut, kind } = layer;
      const type = types[i]!;
      const a = parts[2 * i]!;
      let b = parts[2 * i + 1]!;
      rewiring.openStart();
      if (plan.scale !== 1)
        b = rewiring.emit(
          'Mul',
          [b, rewiring.converted(rewiring.scalar(plan.scale), type, [], 'lora_scale')],
          {
            hint: `${path}.lora_b_scaled`,
            type,
            shape: [dOut, rank],
          },
        );
      if (kind === 'linear') b = rewiring.transposed(b, `${path}.lora_bt`);
      for (const site of sites[i]!) {
        rewiring.resume(site);
        addToOutput(rewiring, site, layer, a, b, site.output);
      }
    });
    rewiring.finish();
  },

  tensors(plan, parameters) {
    const found = new Map<string, { dims: number[]; data: Float32Array }>();
    for (const layer of plan.layers) {
      const { path, rank, dIn, dOut, kernel, offset, length } = layer;
      const middle = offset + inputSize(layer) * rank;
      const a = parameters.slice(offset, middle);
      const b = parameters.slice(middle, offset + length);
      const conv = layer.kind === 'conv';
      found.set(`${path}.${partA}`, {
        dims: conv ? [rank, dIn, ...kernel] : [rank, dIn],
        data: conv ? a : transposed(a, dIn, rank),
      });
      found.set(`${path}.${partB}`, {
        dims: conv ? [dOut, rank, 1, 1] : [dOut, rank],
        data: b,
      });
    }
    return found;
  },

  fromTensors(plan, tensors) {
    const values = new Float32Array(plan.parameterCount);
    for (const layer of plan.layers) {
      const { path, rank, dIn, dOut, kernel, offset } = layer;
      const conv = layer.kind === 'conv';
      const a = takeTensor(tensors, `${path}.${partA}`, conv ? [rank, dIn, ...kernel] : [rank, dIn]);
      const b = takeTensor(tensors, `${path}.${partB}`, conv ? [dOut, rank, 1, 1] : [dOut, rank]);
      values.set(conv ? a : transposed(a, rank, dIn), offset);
      values.set(b, offset + inputSize(layer) * rank);
    }
    return values;
  },

  operators(tensors, scales) {
    const found: LayerOperator[] = [];
    for (const [name, down] of tensors) {
      if (!name.endsWith(`.${partA}`)) continue;
      const path = name.slice(0, -partA.length - 1);
      const up = tensors.get(`${path}.${partB}`);
      const [rank, dIn, kh = 1, kw = 1] = down.dims;
      const [dOut, upRank] = up?.dims ?? [];
      if (!up || !rank || !dIn || !dOut || upRank !== rank || up.data.length !== dOut * rank)
        throw new ParaError('adapter', `The two LoRA matrices of ${path} do not fit together`, {
          where: name,
          hint: `shapes: [${down.dims}] and [${up?.dims ?? 'missing'}]`,
        });
      const kernel = [kh, kw] as const;
      const scale = scales.get(path) ?? 1;
      found.push({ kind: 'addition', path, dIn, dOut, kernel, rank, scale, down: down.data, up: up.data });
    }
    return found;
  },
};

function inputSize({ dIn, kernel }: PlannedLayer): number {
  return dIn * kernel[0] * kernel[1];
}

function scaleOf({ alpha, scale }: MethodSettings, rank: number): number {
  if (alpha !== undefined && scale !== undefined)
    throw new ParaError('settings', 'alpha and scale say the same thing twice', {
      where: 'alpha',
      hint: 'scale = alpha / rank; give one of them',
    });
  const value = scale === 'paper' ? paperScale : (scale ?? (alpha === undefined ? 1 : alpha / rank));
  if (!Number.isFinite(value) || value === 0)
    throw new ParaError('settings', `The LoRA scale ${value} leaves nothing to train`, { where: 'scale' });
  return value;
}
