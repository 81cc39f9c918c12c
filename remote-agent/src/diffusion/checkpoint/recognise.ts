import { ParaError } from '../../common/errors.ts';
import { unetPrefix } from './ldm-names.ts';
import type { Tensors, WeightsHeader } from './tensors.ts';

/** The architectures that have graph templates. */
export type KnownArchitecture = 'sdxl' | 'sd';

/** How a model was trained to predict, as far as its file tells. */
export interface Prediction {
  readonly type: 'epsilon' | 'v_prediction';
  readonly zeroTerminalSnr: boolean;
}

/** Weights of a U-Net that tell which it is. */
interface Marks {
  /** The first convolution. */
  readonly input: string;
  /** First layer of what embeds sizes and pooled text, in SDXL's family alone. */
  readonly added: string;
  /** SDXL base goes down twice, its refiner three times. */
  readonly thirdDown: string;
  /** The first attention of the widest blocks' level; SDXL has none there. */
  readonly firstAttention: string;
  /** A block of the first transformer of SDXL's third level, which has ten. */
  readonly block: (n: number) => string;
}

const ldmMarks: Marks = {
  input: `${unetPrefix}input_blocks.0.0.weight`,
  added: `${unetPrefix}label_emb.0.0.weight`,
  thirdDown: `${unetPrefix}input_blocks.9.0.op.weight`,
  firstAttention: `${unetPrefix}input_blocks.1.1.proj_in.weight`,
  block: (n) => `${unetPrefix}input_blocks.7.1.transformer_blocks.${n}.attn1.to_q.weight`,
};

const diffusersMarks: Marks = {
  input: 'conv_in.weight',
  added: 'add_embedding.linear_1.weight',
  thirdDown: 'down_blocks.2.downsamplers.0.conv.weight',
  firstAttention: 'down_blocks.0.attentions.0.proj_in.weight',
  block: (n) => `down_blocks.2.attentions.0.transformer_blocks.${n}.attn1.to_q.weight`,
};

/** Marks of files that are something else, the most telling first. */
const others: readonly (readonly [RegExp, string])[] = [
  [/^lora_(unet|te)|\.lora_(A|B|down|up)\b|\.hada_w1_a$|\.lokr_w1$/, 'an adapter (LoRA or its kin)'],
  [/(^|\.)double_blocks\.\d/, 'a Flux model'],
  [/(^|\.)joint_blocks\.\d/, 'a Stable Diffusion 3 model'],
  [/(^|\.)(control_model|controlnet_cond_embedding)\./, 'a ControlNet'],
  [/^down_blocks\.\d+\.(resnets|attentions)/, 'a U-Net in the names of diffusers, without its folder'],
  [/^(first_stage_model\.)?(decoder|encoder)\.(up|down|conv_in)/, 'a VAE alone'],
  [/^(text_model|transformer\.text_model)\./, 'a text encoder alone'],
  [/^transformer_blocks\.\d/, 'a diffusion transformer (Stable Diffusion 3, Flux or their kin)'],
];

/** What of weights of an unknown kind can be told. */
export function otherKind(tensors: Tensors): string {
  const names = [...tensors.keys()];
  for (const [pattern, what] of others) if (names.some((name) => pattern.test(name))) return what;
  return `of an unknown kind (its tensors are called ${names.slice(0, 3).join(', ')})`;
}

const refuse = (where: string, what: string): never => {
  throw new ParaError('base', `This checkpoint cannot be a base: it is ${what}`, {
    where,
    hint: 'use a text-to-image checkpoint of SDXL (base, or a fine-tune of it) or Stable Diffusion 1.x',
  });
};

/**
 * Tells from the names and shapes of a U-Net's weights which it is.
 * @param where named in errors, the path
 * @throws ParaError `base` saying what it is, where it is no SDXL base and no SD 1.x
 */
export function recognise(tensors: Tensors, where: string, names: 'ldm' | 'diffusers'): KnownArchitecture {
  const marks = names === 'ldm' ? ldmMarks : diffusersMarks;
  const dims = (name: string) => tensors.get(name)?.dims;
  const input = dims(marks.input);
  if (!input) return refuse(where, otherKind(tensors));
  const sdxl = dims(marks.added) !== undefined;
  const family = sdxl ? 'an SDXL' : 'a Stable Diffusion 1.x or 2.x';
  const channels = input[1];
  if (channels === 9) refuse(where, `${family} model for inpainting (its U-Net takes 9 channels)`);
  if (channels !== 4) refuse(where, `${family} model whose U-Net takes ${channels} channels`);
  const attention = dims(marks.firstAttention);
  if (sdxl) {
    if (dims(marks.thirdDown)) refuse(where, 'the SDXL refiner');
    if (!dims(marks.block(9)) || dims(marks.block(10)) || attention)
      refuse(where, 'of the SDXL family, but its U-Net has other blocks than SDXL base (a distilled model?)');
  } else {
    if (!attention) refuse(where, 'a latent-diffusion model with other blocks than Stable Diffusion 1.x');
    if (attention!.length === 2) refuse(where, 'a Stable Diffusion 2.x model');
  }
  return sdxl ? 'sdxl' : 'sd';
}

/** Fine-tunes in one file mark v-prediction by empty tensors, or in the model specification's metadata. */
export function predictionOf({ tensors, metadata }: WeightsHeader): Prediction {
  const v = tensors.has('v_pred') || metadata['modelspec.prediction_type'] === 'v';
  return { type: v ? 'v_prediction' : 'epsilon', zeroTerminalSnr: tensors.has('ztsnr') };
}
