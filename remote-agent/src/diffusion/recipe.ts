import { defined } from '../common/defined.ts';
import { ParaError } from '../common/errors.ts';
import type { PrecisionSetting } from './precision.ts';
import { adapterTag } from './prompt.ts';
import { schedulerByLabel, schedulerLabel } from './schedulers/index.ts';

/** Everything that one picture was made from: the same recipe on the same machine gives the same bits. */
export interface Recipe {
  /** Name or path of the base, as given. */
  readonly base: string;
  readonly baseHash: string;
  readonly prompt: string;
  readonly negative: string;
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  readonly scheduler: string;
  /** DDIM's eta; 0 where left out. */
  readonly eta?: number;
  /** What the U-Net is computed in. Asked for: left out is `auto`. In a picture: left out is f32, what it always was before. */
  readonly precision?: PrecisionSetting;
  readonly width: number;
  readonly height: number;
  readonly adapters: readonly RecipeAdapter[];
}

export interface RecipeAdapter {
  readonly file: string;
  readonly strength: number;
  /** What the prompt or a person calls it; default the file's name. */
  readonly name?: string;
  /** Content hash of the adapter's file, where it was taken. */
  readonly hash?: string;
}

/** The fields of a `parameters` text; what it leaves out, or has in another way, is `undefined`. */
export interface Parameters {
  readonly prompt: string;
  readonly negative: string;
  readonly steps?: number;
  readonly scheduler?: string;
  readonly guidance?: number;
  readonly seed?: number;
  readonly width?: number;
  readonly height?: number;
  readonly base?: string;
  /** All `Key: value` pairs of the last line, as written. */
  readonly fields: ReadonlyMap<string, string>;
}

/** Values with the separators of the last line are quoted as JSON strings. */
const quoted = (value: string) => (/[,:\n"]/.test(value) ? JSON.stringify(value) : value);

const shortName = (file: string) =>
  file
    .split(/[\\/]/)
    .at(-1)!
    .replace(/\.safetensors$/, '');

const nameOf = ({ name, file }: RecipeAdapter) => name ?? shortName(file);

/**
 * The PNG text `parameters` that tools of the field read: the prompt, `Negative prompt: ...`, and one line of
 * `Key: value` pairs. Adapters stand in the prompt as `<lora:name:strength>`, as those tools write them.
 */
export function parametersText(recipe: Recipe): string {
  const named = new Set(recipe.prompt.match(/<lora:[^:>]+/g));
  const tags = recipe.adapters
    .filter((a) => !named.has(`<lora:${nameOf(a)}`))
    .map((a) => ` ${adapterTag(nameOf(a), a.strength)}`);
  const hashes = recipe.adapters.filter((a) => a.hash).map((a) => `${nameOf(a)}: ${a.hash!.slice(0, 12)}`);
  const fields: [string, string][] = [
    ['Steps', String(recipe.steps)],
    ['Sampler', schedulerLabel(recipe.scheduler)],
    ['CFG scale', String(recipe.guidance)],
    ['Seed', String(recipe.seed)],
    ['Size', `${recipe.width}x${recipe.height}`],
    ['Model hash', recipe.baseHash.slice(0, 10)],
    ['Model', shortName(recipe.base)],
    ...(recipe.eta ? [['Eta', String(recipe.eta)] as [string, string]] : []),
    ...(hashes.length > 0 ? [['Lora hashes', hashes.join(', ')] as [string, string]] : []),
  ];
  return [
    recipe.prompt + tags.join(''),
    ...(recipe.negative === '' ? [] : [`Negative prompt: ${recipe.negative}`]),
    fields.map(([key, value]) => `${key}: ${quoted(value)}`).join(', '),
  ].join('\n');
}

const pair = /\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/g;

/** Reads a `parameters` text, whichever tool wrote it. Nothing in it is refused; what is not understood stays a field. */
export function parseParameters(text: string): Parameters {
  const lines = text.trim().split('\n');
  const last = lines.at(-1) ?? '';
  const hasFields = [...last.matchAll(pair)].length >= 3;
  const fields = new Map<string, string>();
  if (hasFields) {
    lines.pop();
    for (const [, key, value] of last.matchAll(pair)) fields.set(key!, unquoted(value!));
  }
  const negativeAt = lines.findIndex((line) => line.startsWith('Negative prompt:'));
  const promptLines = negativeAt < 0 ? lines : lines.slice(0, negativeAt);
  const negativeLines = negativeAt < 0 ? [] : lines.slice(negativeAt);
  const number = (key: string) => {
    const value = fields.get(key);
    return value !== undefined && value.trim() !== '' && Number.isFinite(Number(value))
      ? Number(value)
      : undefined;
  };
  const size = /^(\d+)x(\d+)$/.exec(fields.get('Size') ?? '');
  const label = [fields.get('Sampler'), fields.get('Schedule type')].filter((s) => s && s !== 'Automatic');
  const scheduler =
    label.length > 0 ? (schedulerByLabel(label.join(' ')) ?? schedulerByLabel(label[0]!)) : undefined;
  return {
    prompt: promptLines.join('\n').trim(),
    negative: negativeLines.join('\n').replace('Negative prompt:', '').trim(),
    ...defined({
      steps: number('Steps'),
      scheduler,
      guidance: number('CFG scale'),
      seed: number('Seed'),
      width: size ? Number(size[1]) : undefined,
      height: size ? Number(size[2]) : undefined,
      base: fields.get('Model'),
    }),
    fields,
  };
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value.trim();
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}

/**
 * The recipe as text for a PNG chunk of our own: the same text for the same recipe, whoever put it together.
 * @param recipe with the precision that the picture was drawn in
 */
export function recipeText(recipe: Recipe): string {
  const { base, baseHash, prompt, negative, seed, steps, guidance, scheduler, eta } = recipe;
  const { width, height } = recipe;
  const precision = recipe.precision === 'f16' ? recipe.precision : undefined;
  return JSON.stringify({
    ...{ base, baseHash, prompt, negative, seed, steps, guidance, scheduler, eta, precision, width, height },
    adapters: recipe.adapters.map(({ name, file, strength, hash }) => ({ name, file, strength, hash })),
  });
}

/**
 * Reads `recipeText`.
 * @param where the picture's path, for messages
 * @throws ParaError `picture` when the text is no recipe
 */
export function parseRecipe(text: string, where: string): Recipe {
  const broken = (what: string, cause?: unknown) =>
    new ParaError('picture', `The picture's account of how it was made is damaged: ${what}`, {
      where,
      hint: 'only unchanged pictures made by para can be repeated',
      cause,
    });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw broken('it is no JSON', cause);
  }
  if (!json || typeof json !== 'object') throw broken('it is no object');
  const values = json as Record<string, unknown>;
  const need = (owner: Record<string, unknown>, key: string, type: 'string' | 'number') => {
    const value = owner[key];
    if (typeof value !== type || (type === 'number' && !Number.isFinite(value)))
      throw broken(`"${key}" is no ${type === 'number' ? 'number' : 'text'}`);
  };
  for (const key of ['base', 'baseHash', 'prompt', 'negative', 'scheduler']) need(values, key, 'string');
  for (const key of ['seed', 'steps', 'guidance', 'width', 'height']) need(values, key, 'number');
  if (values.eta !== undefined) need(values, 'eta', 'number');
  if (!['f16', undefined].includes(values.precision as string | undefined))
    throw broken('"precision" is none that is known');
  if (!Array.isArray(values.adapters)) throw broken('"adapters" is no list');
  for (const adapter of values.adapters) {
    if (!adapter || typeof adapter !== 'object') throw broken('an adapter is no object');
    need(adapter as Record<string, unknown>, 'file', 'string');
    need(adapter as Record<string, unknown>, 'strength', 'number');
    for (const key of ['name', 'hash'])
      if ((adapter as Record<string, unknown>)[key] !== undefined)
        need(adapter as Record<string, unknown>, key, 'string');
  }
  return { precision: 'f32', ...(json as Recipe) };
}
