import { join } from 'node:path';
import type { AdapterPlan, Method } from '../adapters/method.ts';
import { writeFileAtomic } from '../common/files.ts';
import { encodePng } from '../dataset/pictures.ts';
import { withPngText } from '../dataset/png-text.ts';
import type { AppliedAdapter } from '../diffusion/adapter-slots.ts';
import type { Base } from '../diffusion/base.ts';
import { Generator } from '../diffusion/generate.ts';
import type { Precision } from '../diffusion/precision.ts';
import { parametersText } from '../diffusion/recipe.ts';
import type { TrainSpec } from '../subject/train-spec.ts';
import { samplePrecisionOf } from './settings.ts';

/** What a method's trained values do to each layer, ready for sampling. */
export function appliedAdapter(
  method: Method,
  plan: AdapterPlan,
  parameters: Float32Array,
  strength = 1,
): AppliedAdapter {
  const scales = new Map(plan.layers.map((layer) => [layer.path, plan.scale]));
  return { operators: method.operators(method.tensors(plan, parameters), scales), strength };
}

/** Draws a run's sample prompts from fixed noise with the values of the moment. */
export class Sampler {
  readonly #generator: Generator;
  readonly #spec: TrainSpec;
  readonly #plan: AdapterPlan;
  readonly #method: Method;
  readonly #precision: Precision;

  /** @param resident keep text encoders, U-Net and VAE loaded, or free each before the next of them is loaded */
  constructor(base: Base, spec: TrainSpec, plan: AdapterPlan, method: Method, resident = true) {
    this.#precision = samplePrecisionOf(base, spec);
    this.#generator = new Generator(base, { device: spec.device, resident });
    this.#spec = spec;
    this.#plan = plan;
    this.#method = method;
  }

  /** One PNG for each prompt, named after step and prompt number, in `folder`. */
  async draw(
    parameters: Float32Array,
    step: number,
    folder: string,
  ): Promise<{ prompt: string; seed: number; file: string }[]> {
    const { prompts, steps, guidance, scheduler, seed } = this.#spec.samples;
    const adapter = appliedAdapter(this.#method, this.#plan, parameters);
    const drawn: { prompt: string; seed: number; file: string }[] = [];
    const shared = { steps, guidance, scheduler, adapters: [adapter], precision: this.#precision };
    const pictures = await this.#generator.generateAll(
      prompts.map((prompt, i) => ({ prompt, seed: seed + i, ...shared })),
    );
    for (const [i, prompt] of prompts.entries()) {
      const { width, height, pixels } = pictures[i]![0]!;
      const file = join(folder, `step-${String(step).padStart(6, '0')}-${i}.png`);
      const png = await encodePng({ width, height, rgb: pixels });
      const { base, subject } = this.#spec;
      // No recipe: the adapter of this step is a file only where it is kept.
      const told = parametersText({
        ...{ base: base.name, baseHash: base.hash, prompt, negative: '', seed: seed + i },
        ...{ steps, guidance, scheduler, width, height, adapters: [{ file: subject, strength: 1 }] },
      });
      writeFileAtomic(file, withPngText(png, 'parameters', told));
      drawn.push({ prompt, seed: seed + i, file });
    }
    return drawn;
  }

  /** Frees every session; the next `draw` loads them anew. */
  async release(): Promise<void> {
    await this.#generator.release();
  }
}
