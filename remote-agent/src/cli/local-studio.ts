import { defined } from '../common/defined.ts';
import { drawnPng } from '../dataset/drawn-picture.ts';
import type { Base } from '../diffusion/base.ts';
import { Generator } from '../diffusion/generate.ts';
import type { Recipe } from '../diffusion/recipe.ts';
import type { DeviceName } from '../runtime/device.ts';
import { loadApplied } from './adapters.ts';
import type { DrawingHooks, DrawnFile, RecipeAdapters, Studio } from './studio.ts';

/** Draws on this machine: one generator, whatever adapters come. */
export class LocalStudio implements Studio {
  readonly #generator: Generator;
  readonly #loaded = new Map<string, ReturnType<typeof loadApplied>>();

  constructor(
    readonly base: Base,
    device: DeviceName = 'cpu',
  ) {
    this.#generator = new Generator(base, { device });
  }

  #applied(adapters: RecipeAdapters): ReturnType<typeof loadApplied>[] {
    return adapters.map((wanted) => {
      const key = `${wanted.strength} ${wanted.file}`;
      const found = this.#loaded.get(key) ?? loadApplied(wanted, this.base);
      this.#loaded.set(key, found);
      return found;
    });
  }

  reserve(combinations: readonly RecipeAdapters[]): void {
    for (const adapters of combinations) this.#generator.reserve(this.#applied(adapters));
  }

  async draw(recipe: Recipe, count: number, { step }: DrawingHooks): Promise<DrawnFile[]> {
    const { prompt, negative, seed, steps, guidance, scheduler, eta, precision, width, height } = recipe;
    const pictures = await this.#generator.generate({
      ...{ prompt, negative, seed, steps, guidance, scheduler, width, height, count },
      ...defined({ eta, precision }),
      adapters: this.#applied(recipe.adapters),
      onStep: (at) => step(at.picture, at.step),
    });
    return Promise.all(
      pictures.map(async (p) => ({
        picture: { width: p.width, height: p.height, rgb: p.pixels },
        png: await drawnPng(p, {
          ...recipe,
          precision: this.#generator.precisionOf(precision),
          seed: p.seed,
        }),
      })),
    );
  }

  close(): Promise<void> {
    return this.#generator.release();
  }
}
