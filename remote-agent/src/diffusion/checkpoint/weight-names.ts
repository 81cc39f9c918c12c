/** Stems of the files that hold a part: first diffusers', then transformers'. */
const stems = ['diffusion_pytorch_model', 'model'];

/** How a precision is spelled in names of files; the empty one is what the part was saved in. */
type Variant = '' | '.fp16';

/** The files of a part's weights, and the list of them where they are several. */
export interface WeightNames {
  readonly files: readonly string[];
  readonly index?: string;
}

/**
 * The files that hold a part's weights among all files of its folder: those of one precision, whole before in parts.
 * @param order of precisions, the one that is taken where both are there first
 */
export function weightNames(names: readonly string[], order: readonly Variant[]): WeightNames | undefined {
  for (const variant of order)
    for (const stem of stems) {
      const whole = `${stem}${variant}.safetensors`;
      if (names.includes(whole)) return { files: [whole] };
      const index = `${stem}.safetensors.index${variant}.json`;
      if (!names.includes(index)) continue;
      const isPart = partPattern(stem, variant);
      return { index, files: names.filter((name) => isPart.test(name)) };
    }
  return undefined;
}

/** Libraries differ in whether the precision stands before or behind the number of the part. */
function partPattern(stem: string, variant: Variant): RegExp {
  const dotted = variant.replace('.', '\\.');
  const number = '-\\d{5}-of-\\d{5}';
  return new RegExp(`^${stem}(${dotted}${number}|${number}${dotted})\\.safetensors$`);
}
