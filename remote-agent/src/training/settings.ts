import { chooseLayers } from '../adapters/layers.ts';
import type { AdapterPlan, Method } from '../adapters/method.ts';
import type { Base } from '../diffusion/base.ts';
import { chosenPrecision, drawingPrecision, type Precision } from '../diffusion/precision.ts';
import type { Layer } from '../onnx/modules.ts';
import { deviceByName } from '../runtime/device.ts';
import type { TrainSpec } from '../subject/train-spec.ts';

/** Settings of the method as the adapters room takes them. */
export function methodSettings({ method }: TrainSpec) {
  const { name, rank, gamma, alpha, scale, init } = method;
  if (name === 'lora')
    return {
      ...(rank === undefined ? {} : { rank }),
      ...(alpha === undefined ? {} : { alpha }),
      ...(scale === undefined ? {} : { scale }),
    };
  // A rank that was asked for is not cut down by gamma.
  return {
    init,
    ...(rank === undefined ? {} : { rank, gamma: 1 }),
    ...(gamma === undefined ? {} : { gamma }),
  };
}

/** The plan that a spec makes for the layers of a U-Net. */
export function planFor(spec: TrainSpec, method: Method, layers: readonly Layer[]): AdapterPlan {
  const wanted = spec.method.layers;
  return method.plan(
    chooseLayers(layers, typeof wanted === 'string' ? [wanted] : wanted),
    methodSettings(spec),
  );
}

/** Runs of before there was a choice have none. */
const asked = ({ training }: TrainSpec) => training.precision ?? 'f32';

/** The precision that a run's steps and its validation loss are computed in. */
export const precisionOf = (base: Base, spec: TrainSpec): Precision =>
  chosenPrecision(base, asked(spec), deviceByName(spec.device).trainsInHalf);

/** The precision that its samples are drawn in. */
export const samplePrecisionOf = (base: Base, spec: TrainSpec): Precision =>
  drawingPrecision(base, spec.device, asked(spec));
