import { existsSync, readFileSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { defined } from '../common/defined.ts';
import { ParaError } from '../common/errors.ts';
import { writeFileAtomic } from '../common/files.ts';
import { encodePng } from '../dataset/pictures.ts';
import { pngText } from '../dataset/png-text.ts';
import { grid } from '../dataset/sheet.ts';
import type { Base } from '../diffusion/base.ts';
import type { PrecisionSetting } from '../diffusion/precision.ts';
import { parseRecipe, type Recipe, type RecipeAdapter } from '../diffusion/recipe.ts';
import { adapterArgument, adapterHash, promptAdapters } from './adapters.ts';
import type { DeviceOption } from './devices.ts';
import { openStudio } from './open-studio.ts';
import { Progress, say } from './output.ts';
import type { DrawnFile } from './studio.ts';

export interface GenerateOptions {
  readonly base: string;
  readonly prompt?: string;
  readonly negative?: string;
  readonly adapter: readonly string[];
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  readonly scheduler: string;
  readonly precision?: PrecisionSetting;
  readonly size?: string;
  readonly count: number;
  readonly from?: string;
  readonly out: string;
  readonly force?: boolean;
  readonly device?: DeviceOption;
  readonly host?: string;
}

/** What of a base a picture depends on before it is drawn. */
type PictureBase = Pick<Base, 'name' | 'hash' | 'width' | 'height'>;

/** Refuses to write over a file unless told to. */
export function refuseExisting(path: string, force: boolean | undefined): void {
  if (!force && existsSync(path))
    throw new ParaError('exists', 'The output file exists already', {
      where: resolve(path),
      hint: 'choose another name, or add --force',
    });
}

function sizeOf(text: string | undefined, base: PictureBase): { width: number; height: number } {
  if (!text) return { width: base.width, height: base.height };
  const found = /^(\d+)x(\d+)$/.exec(text);
  if (!found)
    throw new ParaError('settings', `"${text}" is not a size`, {
      where: '--size',
      hint: 'write WIDTHxHEIGHT, e.g. 64x64',
    });
  return { width: Number(found[1]), height: Number(found[2]) };
}

function recipeOf(path: string): Recipe {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new ParaError('picture', 'The picture cannot be read', {
      where: path,
      hint: 'check the path',
      cause,
    });
  }
  const text = pngText(bytes, 'para-studio', path);
  if (!text)
    throw new ParaError('picture', 'This picture does not tell how it was made', {
      where: path,
      hint: 'only pictures made by para can be repeated',
    });
  return parseRecipe(text, path);
}

/** What the options ask for; adapters of the prompt come after those of the options. */
function newRecipe(options: GenerateOptions, base: PictureBase): Recipe {
  const { prompt, negative = '', seed, steps, guidance, scheduler, precision } = options;
  if (!prompt)
    throw new ParaError('prompt', 'No prompt is given', { hint: '--prompt TEXT, or --from FILE.png' });
  const wanted = [
    ...options.adapter.map(adapterArgument),
    ...promptAdapters({ prompt, negative }, process.cwd()),
  ];
  return {
    ...{ base: options.base, baseHash: base.hash, prompt, negative, seed, steps, guidance, scheduler },
    ...defined({ precision }),
    ...sizeOf(options.size, base),
    adapters: wanted.map((adapter) => ({ ...adapter, hash: adapterHash(adapter.file) })),
  };
}

/** @throws ParaError `adapter` where the file is not the one the picture was made with */
function checkUnchanged({ file, hash }: RecipeAdapter): void {
  if (existsSync(file) && adapterHash(file) !== hash)
    throw new ParaError('adapter', 'The adapter was changed since the picture was made', {
      where: file,
      hint: 'put the earlier file back, or draw a new picture with --prompt',
    });
}

/** The recipe of a picture file for the base as it is now. @throws ParaError `base`, `adapter` where either was changed */
function sameAgain(recipe: Recipe, base: PictureBase): Recipe {
  if (recipe.baseHash !== base.hash)
    throw new ParaError('base', `The base "${base.name}" is not the one this picture was made with`, {
      where: `now ${base.hash.slice(0, 10)}, then ${recipe.baseHash.slice(0, 10)}`,
      hint: 'put the earlier base back',
    });
  for (const adapter of recipe.adapters) if (adapter.hash !== undefined) checkUnchanged(adapter);
  return recipe;
}

/** `para generate`: draws pictures and writes PNG files that say how they were made. */
export async function generateCommand(options: GenerateOptions): Promise<void> {
  refuseExisting(options.out, options.force);
  const old = options.from ? recipeOf(options.from) : undefined;
  const studio = await openStudio(old?.base ?? options.base, options);
  try {
    const recipe = old ? sameAgain(old, studio.base) : newRecipe(options, studio.base);
    const count = old ? 1 : options.count;
    const bar = new Progress('generate', recipe.steps * count);
    let pictures: DrawnFile[];
    try {
      pictures = await studio.draw(recipe, count, {
        step: (picture, step) => bar.update(picture * recipe.steps + step),
        note: (text) => bar.say(text),
      });
    } finally {
      bar.stop();
    }
    for (const [i, { png }] of pictures.entries()) {
      const path = count === 1 ? options.out : numbered(options.out, i);
      writeFileAtomic(path, png);
      say(path);
    }
    if (count > 1) {
      const columns = Math.ceil(Math.sqrt(count));
      writeFileAtomic(
        options.out,
        await encodePng(
          grid(
            pictures.map((p) => p.picture),
            columns,
          ),
        ),
      );
      say(options.out);
    }
  } finally {
    await studio.close();
  }
}

const numbered = (path: string, i: number) => {
  const end = extname(path);
  return `${path.slice(0, path.length - end.length)}-${i + 1}${end}`;
};
