import { chooseLayers } from '../adapters/layers.ts';
import type { AdapterPlan, Method } from '../adapters/method.ts';
import type { Base } from '../diffusion/base.ts';
import { loadGraph } from '../onnx/io.ts';
import type { Layer } from '../onnx/modules.ts';
import { storesHalves } from '../onnx/weights.ts';
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

/** The precision that a run is computed in. */
export function precisionOf(base: Base, { training, device }: TrainSpec): 'f32' | 'f16' {
  if (training.precision !== 'auto') return training.precision ?? 'f32';
  return deviceByName(device).trainsInHalf && storesHalves(loadGraph(base.unet)) ? 'f16' : 'f32';
}
