import type { SafetensorsHeader, StoredTensor } from '../../adapters/safetensors-header.ts';
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

/** Where the weights of a part lie, by their names in diffusers, and which of them are nowhere. */
export interface PartPlaces {
  readonly places: Map<string, WeightPlace>;
  readonly missing: readonly string[];
}

/** Finds the weights of a part in a single-file checkpoint. @param wanted their names in diffusers */
export function ldmPlaces(
  header: SafetensorsHeader,
  architecture: KnownArchitecture,
  part: PartName,
  wanted: readonly string[],
): PartPlaces {
  const naming = ldmNaming(architecture, part, wanted);
  const places = new Map<string, WeightPlace>();
  const missing: string[] = [];
  for (const weight of wanted) {
    const name = naming(weight).find((candidate) => header.tensors.has(candidate.name));
    if (name) places.set(weight, placeOf(header.path, header.tensors.get(name.name)!, name));
    else missing.push(weight);
  }
  return { places, missing };
}

/** Names under which a weight may lie in a single file, the usual one first. */
function ldmNaming(
  architecture: KnownArchitecture,
  part: PartName,
  wanted: readonly string[],
): (weight: string) => readonly WeightName[] {
  const under = (prefix: string, found: WeightName | undefined) =>
    found ? [{ ...found, name: `${prefix}${found.name}` }] : [];
  if (part === 'unet') {
    const names = ldmUnetNames(wanted);
    return (weight) => under(unetPrefix, names.get(weight));
  }
  if (part === 'text_encoder_2') return (weight) => under(openClipPrefix, openClipName(weight));
  if (part === 'text_encoder') {
    const prefix = clipPrefix[architecture];
    // Files of an old transformers version leave the model's name out.
    return (weight) => [
      { name: `${prefix}${weight}` },
      { name: `${prefix}${weight.replace(/^text_model\./, '')}` },
    ];
  }
  return (weight) => under(vaePrefix, ldmVaeName(weight));
}

function placeOf(file: string, tensor: StoredTensor, { third, transposed }: WeightName): WeightPlace {
  const { dtype, dims, offset, length } = tensor;
  if (third === undefined)
    return { file, dtype, dims, offset, length, ...(transposed ? { transposed } : {}) };
  const [rows = 0, ...rest] = dims;
  const size = length / 3;
  return { file, dtype, dims: [rows / 3, ...rest], offset: offset + third * size, length: size };
}
