import { ParaError } from '../../common/errors.ts';
import {
  clipPrefix,
  ldmUnetNames,
  ldmVaeName,
  openClipName,
  openClipPrefix,
  unetPrefix,
  vaePrefix,
  type WeightName,
} from './ldm-names.ts';
import type { KnownArchitecture } from './recognise.ts';
import type { PartName, WeightPlace } from './template.ts';
import type { PlacedTensor, Tensors } from './tensors.ts';

/** Where the weights of a part lie, by their names in diffusers, and which of them are nowhere. */
export interface PartPlaces {
  readonly places: Map<string, WeightPlace>;
  readonly missing: readonly string[];
  /** Tensors of the part, by their names in the file, that are no weight of it. */
  readonly unknown: readonly string[];
}

/** Names under which a weight may lie in a file, the usual one first. */
export type Naming = (weight: string) => readonly WeightName[];

/**
 * Finds the weights of a part.
 * @param wanted their names in diffusers
 * @param prefix begins the names of all that is the part's, where what is more than its weights matters
 * @throws ParaError `base` for a matrix that cannot be what its name says
 */
export function findPlaces(
  tensors: Tensors,
  naming: Naming,
  wanted: readonly string[],
  prefix?: string,
): PartPlaces {
  const used = new Set<string>();
  const places = new Map<string, WeightPlace>();
  const missing: string[] = [];
  for (const weight of wanted) {
    const name = naming(weight).find((candidate) => tensors.has(candidate.name));
    if (!name) {
      missing.push(weight);
      continue;
    }
    used.add(name.name);
    places.set(weight, placeOf(tensors.get(name.name)!, name));
  }
  const isUnknown = (name: string) => prefix !== undefined && name.startsWith(prefix) && !used.has(name);
  return { places, missing, unknown: [...tensors.keys()].filter(isUnknown) };
}

/** Names in a single-file checkpoint. @param wanted all weights of the part */
export function ldmNaming(
  architecture: KnownArchitecture,
  part: PartName,
  wanted: readonly string[],
): Naming {
  const under = (prefix: string, found: WeightName | undefined) =>
    found ? [{ ...found, name: `${prefix}${found.name}` }] : [];
  if (part === 'unet') {
    const names = ldmUnetNames(wanted);
    return (weight) => under(unetPrefix, names.get(weight));
  }
  if (part === 'text_encoder_2') return (weight) => under(openClipPrefix, openClipName(weight));
  if (part === 'text_encoder') {
    const prefix = clipPrefix[architecture];
    return (weight) => clipNames(weight).map((name) => ({ name: `${prefix}${name}` }));
  }
  return (weight) => under(vaePrefix, ldmVaeName(weight));
}

/** Names in the files of a folder of diffusers. */
export function diffusersNaming(part: PartName): Naming {
  const names =
    part === 'text_encoder' || part === 'text_encoder_2'
      ? clipNames
      : part === 'unet'
        ? (weight: string) => [weight]
        : vaeNames;
  return (weight) => names(weight).map((name) => ({ name }));
}

/** Versions of transformers differ in whether the model's own name comes first. */
const clipNames = (weight: string): string[] => [weight, weight.replace(/^text_model\./, '')];

const formerAttention: readonly (readonly [RegExp, string])[] = [
  [/\.to_q\./, '.query.'],
  [/\.to_k\./, '.key.'],
  [/\.to_v\./, '.value.'],
  [/\.to_out\.0\./, '.proj_attn.'],
];

/** Old versions of diffusers named the VAE's attention otherwise. */
function vaeNames(weight: string): string[] {
  const former = formerAttention.reduce((name, [now, then]) => name.replace(now, then), weight);
  return former === weight ? [weight] : [weight, former];
}

function placeOf(tensor: PlacedTensor, { third, transposed }: WeightName): WeightPlace {
  const { file, dtype, dims, offset, length } = tensor;
  if (third === undefined)
    return { file, dtype, dims, offset, length, ...(transposed ? { transposed } : {}) };
  const [rows = 0, ...rest] = dims;
  if (rows === 0 || rows % 3 !== 0)
    throw new ParaError('base', `The weight ${tensor.name} has the shape [${dims.join(', ')}]`, {
      where: file,
      hint: 'it should have three equal parts: the checkpoint is damaged, or of another architecture than it seems',
    });
  const size = length / 3;
  return { file, dtype, dims: [rows / 3, ...rest], offset: offset + third * size, length: size };
}
