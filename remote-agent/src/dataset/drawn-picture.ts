import type { GeneratedPicture } from '../diffusion/generate.ts';
import { parametersText, type Recipe, recipeText } from '../diffusion/recipe.ts';
import { encodePng } from './pictures.ts';
import { withPngText } from './png-text.ts';

/** A drawn picture as the PNG file that says how it was made. @param recipe that of the picture, its seed included */
export async function drawnPng(picture: GeneratedPicture, recipe: Recipe): Promise<Uint8Array> {
  const { width, height, pixels } = picture;
  const png = withPngText(
    await encodePng({ width, height, rgb: pixels }),
    'parameters',
    parametersText(recipe),
  );
  return withPngText(png, 'para-studio', recipeText(recipe));
}
