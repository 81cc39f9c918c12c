import type { SafetensorsHeader } from '../../adapters/safetensors-header.ts';
import { ParaError } from '../../common/errors.ts';
import { unetPrefix } from './ldm-names.ts';

/** The architectures that have graph templates. */
export type KnownArchitecture = 'sdxl' | 'sd';

/** How a model was trained to predict, as far as its file tells. */
export interface Prediction {
  readonly type: 'epsilon' | 'v_prediction';
  readonly zeroTerminalSnr: boolean;
}

/** What a single-file checkpoint is. */
export interface Recognised {
  readonly architecture: KnownArchitecture;
  readonly prediction: Prediction;
}

/** Marks of files that are something else, the most telling first. */
const others: readonly (readonly [RegExp, string])[] = [
  [/^lora_(unet|te)|\.lora_(A|B|down|up)\b|\.hada_w1_a$|\.lokr_w1$/, 'an adapter (LoRA or its kin)'],
  [/(^|\.)double_blocks\.\d/, 'a Flux model'],
  [/(^|\.)joint_blocks\.\d/, 'a Stable Diffusion 3 model'],
  [/(^|\.)(control_model|controlnet_cond_embedding)\./, 'a ControlNet'],
  [/^down_blocks\.\d+\.(resnets|attentions)/, 'a U-Net in the names of diffusers, without its folder'],
  [/^(first_stage_model\.)?(decoder|encoder)\.(up|down|conv_in)/, 'a VAE alone'],
  [/^(text_model|transformer\.text_model)\./, 'a text encoder alone'],
];

const refuse = (where: string, what: string): never => {
  throw new ParaError('base', `This checkpoint cannot be a base: it is ${what}`, {
    where,
    hint: 'use a text-to-image checkpoint of SDXL (base, or a fine-tune of it) or Stable Diffusion 1.x',
  });
};

/**
 * Tells from the names and shapes in a single-file checkpoint what it is.
 * @throws ParaError `base` saying what the file is, where it is no SDXL base and no SD 1.x
 */
export function recognise(header: SafetensorsHeader): Recognised {
  const { tensors, path } = header;
  const unet = (name: string) => tensors.get(`${unetPrefix}${name}`);
  const first = unet('input_blocks.0.0.weight');
  if (!first) {
    const names = [...tensors.keys()];
    for (const [pattern, what] of others) if (names.some((name) => pattern.test(name))) refuse(path, what);
    return refuse(path, `of an unknown kind (its tensors are called ${names.slice(0, 3).join(', ')})`);
  }
  const sdxl = unet('label_emb.0.0.weight') !== undefined;
  const family = sdxl ? 'an SDXL' : 'a Stable Diffusion 1.x or 2.x';
  const channels = first.dims[1];
  if (channels === 9) refuse(path, `${family} model for inpainting (its U-Net takes 9 channels)`);
  if (channels !== 4) refuse(path, `${family} model whose U-Net takes ${channels} channels`);
  if (sdxl) {
    if (unet('input_blocks.9.0.op.weight') ?? unet('input_blocks.9.0.in_layers.0.weight'))
      refuse(path, 'the SDXL refiner');
    const depth = (n: number) => unet(`input_blocks.7.1.transformer_blocks.${n}.attn1.to_q.weight`);
    if (!depth(9) || depth(10) || unet('input_blocks.1.1.proj_in.weight'))
      refuse(path, 'of the SDXL family, but its U-Net has other blocks than SDXL base (a distilled model?)');
  } else {
    const projection = unet('input_blocks.1.1.proj_in.weight');
    if (!projection) refuse(path, 'a latent-diffusion model with other blocks than Stable Diffusion 1.x');
    if (projection!.dims.length === 2) refuse(path, 'a Stable Diffusion 2.x model');
  }
  return { architecture: sdxl ? 'sdxl' : 'sd', prediction: predictionOf(header) };
}

/** Fine-tunes mark v-prediction by empty tensors, or in the model specification's metadata. */
function predictionOf({ tensors, metadata }: SafetensorsHeader): Prediction {
  const said = metadata['modelspec.prediction_type'];
  const v = tensors.has('v_pred') || said === 'v';
  return { type: v ? 'v_prediction' : 'epsilon', zeroTerminalSnr: tensors.has('ztsnr') };
}
