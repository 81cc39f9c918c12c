import { loadGraph } from '../onnx/io.ts';
import { storesHalves } from '../onnx/weights.ts';
import { type DeviceName, deviceByName } from '../runtime/device.ts';
import type { Base } from './base.ts';

/** What a U-Net is computed in: single precision, or halves with f32 where it matters (see `toHalfPrecision`). */
export type Precision = 'f32' | 'f16';

/** As people ask for it; `auto`: f16 where that is worth it. */
export type PrecisionSetting = 'auto' | Precision;

/** On what a session computes, and in which precision. */
export interface Computing {
  readonly device: DeviceName;
  readonly precision: Precision;
}

/** What the product computes with where nothing better is at hand. */
export const onProcessor: Computing = { device: 'cpu', precision: 'f32' };

/** @param worth whether `auto` takes f16 for a base that is stored in half precision */
export function chosenPrecision(base: Base, asked: PrecisionSetting, worth: boolean): Precision {
  if (asked !== 'auto') return asked;
  return worth && storesHalves(loadGraph(base.unet)) ? 'f16' : 'f32';
}

/** The precision that pictures are drawn in. */
export const drawingPrecision = (base: Base, device: DeviceName, asked: PrecisionSetting): Precision =>
  chosenPrecision(base, asked, deviceByName(device).fastHalf);
