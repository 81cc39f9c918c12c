import type { Emitter } from '../emitter.ts';

/** Zeros before and behind along one axis; by Concat, since not every device has the newer forms of Pad. */
export function filled(emit: Emitter, x: string, axis: number, before: number, behind: number): string {
  const shape = emit.shape(x);
  const zeros = (n: number) => (n > 0 ? [emit.zeros(shape.map((d, i) => (i === axis ? n : d)))] : []);
  return emit.concat([...zeros(before), x, ...zeros(behind)], axis);
}
