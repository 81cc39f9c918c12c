import { describe, expect, it } from 'vitest';
import {
  parametersText,
  parseParameters,
  parseRecipe,
  type Recipe,
  recipeText,
} from '../../src/diffusion/recipe.ts';

const recipe: Recipe = {
  base: '/models/my base',
  baseHash: '0123456789abcdef0123456789abcdef',
  prompt: 'a red apple, on a\nblue: background',
  negative: 'blurry, dark',
  seed: 42,
  steps: 30,
  guidance: 7.5,
  scheduler: 'dpmpp-2m-karras',
  eta: 0.5,
  width: 64,
  height: 96,
  adapters: [{ file: '/x/teapot.safetensors', strength: 0.8, hash: 'aabbccddeeff00112233' }],
};

describe('the parameters text of a picture', () => {
  it('is what tools of the field write', () => {
    expect(parametersText(recipe)).toBe(
      'a red apple, on a\nblue: background <lora:teapot:0.8>\n' +
        'Negative prompt: blurry, dark\n' +
        'Steps: 30, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 42, Size: 64x96, Model hash: 0123456789, ' +
        'Model: my base, Eta: 0.5, Lora hashes: "teapot: aabbccddeeff"',
    );
  });

  it('gives back what it was made from', () => {
    expect(parseParameters(parametersText(recipe))).toMatchObject({
      prompt: 'a red apple, on a\nblue: background <lora:teapot:0.8>',
      negative: 'blurry, dark',
      steps: 30,
      scheduler: 'dpmpp-2m-karras',
      guidance: 7.5,
      seed: 42,
      width: 64,
      height: 96,
      base: 'my base',
    });
  });

  it('does not name an adapter twice that the prompt names already', () => {
    const prompt = 'a pot <lora:teapot:0.8>';
    expect(parametersText({ ...recipe, prompt }).split('\n')[0]).toBe(prompt);
  });

  it('is read from other tools, with what they leave out or name otherwise', () => {
    const text =
      'masterpiece, (cat:1.2)\nNegative prompt: ugly,\nbad hands\n' +
      'Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 512x768, ' +
      'Model: v1-5, Lora hashes: "a: 12, b: 34", Version: v1.9.0';
    const found = parseParameters(text);
    expect(found).toMatchObject({ negative: 'ugly,\nbad hands', scheduler: 'dpmpp-2m-karras', height: 768 });
    expect(found.fields.get('Lora hashes')).toBe('a: 12, b: 34');
    expect(parseParameters('only a prompt')).toMatchObject({ prompt: 'only a prompt', negative: '' });
    expect(parseParameters('')).toMatchObject({ prompt: '', negative: '' });
    expect(parseParameters('x\nSteps: many, Sampler: UniPC, Size: big').steps).toBeUndefined();
  });
});

describe('the recipe of a picture', () => {
  it('survives as text, and says the precision that it was drawn in: pictures from before drew in f32', () => {
    expect(parseRecipe(recipeText(recipe), 'a.png')).toEqual({ ...recipe, precision: 'f32' });
    expect(recipeText({ ...recipe, precision: 'f32' })).toBe(recipeText(recipe));
    const half = { ...recipe, precision: 'f16' } as const;
    expect(parseRecipe(recipeText(half), 'a.png')).toEqual(half);
  });

  it.each([
    '',
    '{',
    '1',
    'null',
    '{}',
    '{"base":1}',
    JSON.stringify({ ...recipe, adapters: [{}] }),
    JSON.stringify({ ...recipe, precision: 'f8' }),
  ])('is refused when damaged: %s', (text) => {
    expect(() => parseRecipe(text, 'a.png')).toThrow(
      expect.objectContaining({ code: 'picture', where: 'a.png' }),
    );
  });
});
