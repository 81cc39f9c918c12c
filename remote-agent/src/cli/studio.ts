import type { Picture } from '../dataset/pictures.ts';
import type { Base } from '../diffusion/base.ts';
import type { Recipe } from '../diffusion/recipe.ts';

/** A picture with the file that says how it was made. */
export interface DrawnFile {
  readonly picture: Picture;
  readonly png: Uint8Array;
}

/** What a drawing tells while it goes on. */
export interface DrawingHooks {
  step(picture: number, step: number): void;
  /** Something a person wants to know: that it waits, or loads. */
  note(text: string): void;
}

/** Adapters of one picture: where their files are here, and how strongly they apply. */
export type RecipeAdapters = Recipe['adapters'];

/** A place that draws: this machine or a host, the same to whoever asks. */
export interface Studio {
  readonly base: Pick<Base, 'name' | 'hash' | 'width' | 'height'>;
  /** Announces combinations of adapters that will be asked for, so that one session serves all. */
  reserve(combinations: readonly RecipeAdapters[]): void;
  /** Draws `count` pictures with seeds from the recipe's on. */
  draw(recipe: Recipe, count: number, hooks: DrawingHooks): Promise<DrawnFile[]>;
  close(): Promise<void>;
}
