import { ParaError } from '../common/errors.ts';
import { Random } from '../common/random.ts';
import { DataType } from '../onnx/types.ts';
import { projectOutput } from './low-rank.ts';
import type { FloatTensor, LayerOperator, Method } from './method.ts';
import { orthonormalColumns } from './orthonormal.ts';
import { basisGraph, basisPullbackGraph } from './para-basis.ts';
import { checkRank, layOut, refuseForeign, takeTensor } from './plan.ts';
import { Rewiring } from './rewiring.ts';

/** The paper's rank boundary: a layer loses at most one fortieth of its output dimensions. */
export const defaultGamma = 1 / 40;

const part = 'para_B.weight';

/**
 * PaRa, rank reduction of the output space: `W' = W0 - Q Q^T W0` with `B = Q R` learnable (Chen, Pan, Cai, Phung,
 * "PaRa: Personalizing Text-to-Image Diffusion via Parameter Rank Reduction", ICLR 2025, section 3). Applied to
 * activations before the bias: `y = y0 - Q Q^T y0`. The optimiser owns B f32[dOut, rank] of every layer; the step
 * graph reads Q of the same sizes, computed in f64 before each step.
 */
export const para: Method = {
  name: 'para',
  strength: {
    minimum: 0,
    maximum: 1,
    because:
      'PaRa removes directions from a layer: 0 removes nothing, 1 removes them wholly, and more or less than that would bring them back inverted or amplified',
  },

  plan(layers, settings) {
    refuseForeign('para', settings, ['rank', 'gamma', 'init']);
    const { rank, gamma = defaultGamma, init = 'normal' } = settings;
    if (rank !== undefined) checkRank(rank);
    if (!(gamma > 0 && gamma <= 1))
      throw new ParaError('settings', `gamma is ${gamma}, but it must be above 0 and at most 1`, {
        where: 'gamma',
        hint: 'the paper uses 1/40 = 0.025',
      });
    const share = ({ dOut }: { dOut: number }) => {
      // The margin forgives products such as 0.1 * 30 that end just below a whole number.
      const boundary = Math.max(1, Math.floor(gamma * dOut + 1e-9));
      const r = Math.min(rank ?? boundary, boundary);
      return { rank: r, length: dOut * r };
    };
    return layOut('para', layers, share, { init });
  },

  initialise(plan, seed) {
    const values = new Float32Array(plan.parameterCount);
    for (const { path, offset, length, rank } of plan.layers) {
      const random = new Random(seed, `para:${path}`);
      // Kaiming-uniform with a = sqrt 5 over fan-in `rank`: bound 1 / sqrt(rank).
      const bound = 1 / Math.sqrt(rank);
      for (let i = 0; i < length; i++)
        values[offset + i] =
          plan.init === 'normal' ? 0.02 * random.normal() : bound * (2 * random.uniform() - 1);
    }
    return values;
  },

  attach(graph, plan, coefficients) {
    const rewiring = new Rewiring(graph);
    const sites = plan.layers.map((layer) => layer.nodes.map((node) => rewiring.open(node)));
    rewiring.openStart();
    const parts = rewiring.parts(
      coefficients,
      plan.layers.map(({ path, dOut, rank }, i) => ({
        dims: [dOut, rank],
        rank,
        hint: `${path}.para_q`,
        type: sites[i]![0]!.type?.type ?? DataType.FLOAT,
      })),
    );
    plan.layers.forEach((layer, i) => {
      rewiring.openStart();
      const qt = rewiring.transposed(parts[i]!, `${layer.path}.para_qt`);
      for (const site of sites[i]!) {
        rewiring.resume(site);
        projectOutput(rewiring, site, layer, parts[i]!, qt, site.output);
      }
    });
    rewiring.finish();
  },

  prepareGraph: basisGraph,
  pullbackGraph: basisPullbackGraph,

  tensors(plan, parameters) {
    return new Map(
      plan.layers.map(({ path, dOut, rank, offset, length }) => [
        `${path}.${part}`,
        { dims: [dOut, rank], data: parameters.slice(offset, offset + length) },
      ]),
    );
  },

  fromTensors(plan, tensors) {
    const values = new Float32Array(plan.parameterCount);
    for (const { path, dOut, rank, offset } of plan.layers)
      values.set(takeTensor(tensors, `${path}.${part}`, [dOut, rank]), offset);
    return values;
  },

  operators(tensors) {
    const found: LayerOperator[] = [];
    for (const [name, tensor] of tensors) if (name.endsWith(`.${part}`)) found.push(projection(name, tensor));
    return found;
  },
};

function projection(name: string, { dims, data }: FloatTensor): LayerOperator {
  const [dOut, rank] = dims;
  if (dims.length !== 2 || !dOut || !rank || rank > dOut)
    throw new ParaError(
      'adapter',
      `The tensor ${name} of shape [${dims}] is no basis of a layer's output space`,
      {
        where: name,
      },
    );
  const basis = orthonormalColumns(data, dOut, rank);
  return { kind: 'projection', path: name.slice(0, -part.length - 1), dOut, rank, basis };
}
