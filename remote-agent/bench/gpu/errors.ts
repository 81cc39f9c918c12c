import { differenceByNorm } from '../numbers.ts';
import type { CorrectResult } from './correct-child.ts';
import type { Check } from './results.ts';

/** Norm of the difference by the norm of what is right; both as base64 of f32. */
export function gradientError(found: string, wanted: string): number {
  const [a, b] = [floats(found), floats(wanted)];
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return differenceByNorm([[a, b]]);
}

function floats(text: string): Float32Array {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, 'base64');
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

/** Largest difference of two pictures and the one that 99.9 % of their values stay below, of 255. */
export function pictureError(a: string, b: string): { readonly largest: number; readonly most: number } {
  const [x, y] = [Buffer.from(a, 'base64'), Buffer.from(b, 'base64')];
  const sorted = [...x].map((value, i) => Math.abs(value - y[i]!)).sort((p, q) => p - q);
  return { largest: sorted.at(-1)!, most: sorted[Math.floor(0.999 * (sorted.length - 1))]! };
}

/** What a comparison may differ by. */
export interface Bounds {
  readonly loss: number;
  readonly gradient: number;
  readonly training: number;
  readonly picture: number;
}

/**
 * Holds what a device computed against the reference. The reference's step of a method, whatever its memory, is in f32.
 * @param note added to what each check is called
 */
export function checksOf(
  found: CorrectResult,
  reference: CorrectResult,
  bounds: { readonly f32: Bounds; readonly f16: Bounds },
  note = '',
): Check[] {
  const checks: Check[] = [];
  for (const step of found.steps) {
    const { method, memory, precision } = step;
    const wanted = reference.steps.find((other) => other.method === method)!;
    const { loss, gradient, training } = bounds[precision];
    const what = `${method}, ${memory}, ${precision}${note}`;
    const against = 'CPU, f32';
    checks.push(
      { what: `loss, ${what}`, against, value: Math.abs(step.loss / wanted.loss - 1), bound: loss },
      {
        ...{ what: `gradient, ${what}`, against, bound: gradient },
        value: gradientError(step.gradient, wanted.gradient),
      },
    );
    if (step.losses.length > 0)
      checks.push({
        ...{ what: `losses of ${step.losses.length} steps, ${what}`, against, bound: training },
        value: Math.max(...step.losses.map((loss, i) => Math.abs(loss / wanted.losses[i]! - 1))),
      });
  }
  if (found.picture !== undefined && reference.picture !== undefined)
    checks.push({
      ...{ what: `picture, 99.9 % of its values${note}`, against: 'CPU', bound: bounds.f32.picture },
      ...{ value: pictureError(found.picture, reference.picture).most, unit: 'of 255' as const },
    });
  return checks;
}
