import { openBase } from '../src/diffusion/base.ts';
import { Generator } from '../src/diffusion/generate.ts';
import type { DeviceName } from '../src/runtime/device.ts';

/** Text to picture, DDIM with guidance 5. */
export interface GenerateCase {
  readonly kind: 'generate';
  readonly base: string;
  readonly device?: DeviceName;
  /** Default 30. */
  readonly steps?: number;
  /** Pixels a side; default the base's own size. */
  readonly pixels?: number;
  /** What the U-Net is computed in; default what the product chooses. */
  readonly precision?: 'f16' | 'f32';
}

/** One picture a call, each of another prompt, so that text states are computed too. */
export async function openGeneration(what: GenerateCase): Promise<() => Promise<void>> {
  const generator = new Generator(openBase(what.base), what.device ? { device: what.device } : {});
  let count = 0;
  const draw = async () => {
    count++;
    await generator.generate({
      prompt: `a red apple on a blue background ${count}`,
      seed: count,
      steps: what.steps ?? 30,
      guidance: 5,
      scheduler: 'ddim',
      ...(what.pixels ? { width: what.pixels, height: what.pixels } : {}),
      ...(what.precision ? { precision: what.precision } : {}),
    });
  };
  await draw();
  return draw;
}
