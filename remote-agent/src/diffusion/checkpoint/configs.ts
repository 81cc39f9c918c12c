import { ParaError } from '../../common/errors.ts';
import type { KnownArchitecture, Prediction } from './recognise.ts';
import type { PartName, WeightPlace } from './template.ts';

type Places = ReadonlyMap<string, WeightPlace>;
type Json = Record<string, unknown>;

/** Channels of an attention head, in SDXL's U-Net and in the text encoders; SD 1.x has 8 heads everywhere. */
const head = 64;

const size = (places: Places, weight: string, axis: number): number => places.get(weight)?.dims[axis] ?? 0;

/** Output channels of a part's blocks, in the order of their numbers. */
const blocks = (places: Places, prefix: string): number[] => {
  const found: number[] = [];
  for (;;) {
    const channels = size(places, `${prefix}.${found.length}.resnets.0.conv1.weight`, 0);
    if (channels === 0) return found;
    found.push(channels);
  }
};

/** Width of each of the six embeddings of time_ids. @param projection width of the pooled text */
export const timeWidth = (unet: Places, projection: number): number =>
  (size(unet, 'add_embedding.linear_1.weight', 1) - projection) / 6;

/** Width of the text states that a U-Net attends to. */
export const contextWidth = (unet: Places): number =>
  size(unet, 'mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight', 1);

/** Width of a text encoder's states. */
export const textWidth = (encoder: Places): number =>
  size(encoder, 'text_model.embeddings.token_embedding.weight', 1);

/** Width of the pooled text of an encoder that has a projection; else 0. */
export const projectionWidth = (encoder: Places): number => {
  const place = encoder.get('text_projection.weight');
  return place?.dims[place.transposed ? 1 : 0] ?? 0;
};

/** `config.json` of a part, in the words of diffusers and transformers. */
export function partConfig(
  architecture: KnownArchitecture,
  part: PartName,
  places: Places,
  time: number,
): Json {
  if (part === 'unet') return unetConfig(architecture, places, time);
  if (part === 'text_encoder' || part === 'text_encoder_2') return textConfig(part, places);
  const channels =
    part === 'vae_encoder'
      ? blocks(places, 'encoder.down_blocks')
      : blocks(places, 'decoder.up_blocks').reverse();
  return {
    _class_name: 'AutoencoderKL',
    block_out_channels: channels,
    down_block_types: channels.map(() => 'DownEncoderBlock2D'),
    up_block_types: channels.map(() => 'UpDecoderBlock2D'),
    ...{ layers_per_block: 2, norm_num_groups: 32, act_fn: 'silu', in_channels: 3, out_channels: 3 },
    latent_channels: 4,
    sample_size: architecture === 'sdxl' ? 1024 : 512,
    scaling_factor: architecture === 'sdxl' ? 0.13025 : 0.18215,
  };
}

/** What decides how a part computes beside the widths of its weights. */
const decisive = [
  ...['attention_head_dim', 'layers_per_block', 'norm_num_groups', 'act_fn', 'in_channels', 'out_channels'],
  ...['down_block_types', 'up_block_types', 'use_linear_projection', 'addition_time_embed_dim'],
  ...['num_attention_heads', 'hidden_act', 'num_hidden_layers', 'latent_channels', 'layer_norm_eps'],
  ...['flip_sin_to_cos', 'freq_shift', 'norm_eps', 'resnet_time_scale_shift', 'center_input_sample'],
];

/**
 * Makes sure that what a model's own config says of a part is what its graph does.
 * @param said the model's own words
 * @param built the graph's, of `partConfig`
 * @throws ParaError `base` naming what differs
 */
export function checkConfig(said: Readonly<Json>, built: Readonly<Json>, where: string): void {
  for (const key of decisive) {
    const [own, wanted] = [said[key] ?? undefined, built[key]];
    if (own === undefined || wanted === undefined) continue;
    if (!sameValue(own, wanted))
      throw new ParaError(
        'base',
        `The model says "${key}": ${JSON.stringify(own)}, which no known architecture has`,
        {
          where,
          hint: `such a model has ${JSON.stringify(wanted)} there; export it for ONNX and import that folder`,
        },
      );
  }
}

/** One number may stand for a list of the same. */
function sameValue(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) || Array.isArray(b)) {
    const count = Math.max(...[a, b].map((x) => (Array.isArray(x) ? x.length : 1)));
    const list = (x: unknown): unknown[] => (Array.isArray(x) ? x : new Array(count).fill(x));
    return list(a).length === list(b).length && list(a).every((value, i) => value === list(b)[i]);
  }
  return a === b;
}

function unetConfig(architecture: KnownArchitecture, places: Places, time: number): Json {
  const channels = blocks(places, 'down_blocks');
  const common = {
    _class_name: 'UNet2DConditionModel',
    ...{ in_channels: 4, out_channels: 4, layers_per_block: 2, norm_num_groups: 32, act_fn: 'silu' },
    ...{ flip_sin_to_cos: true, freq_shift: 0, norm_eps: 1e-5, center_input_sample: false },
    resnet_time_scale_shift: 'default',
    block_out_channels: channels,
    cross_attention_dim: contextWidth(places),
  };
  if (architecture === 'sd')
    return {
      ...common,
      ...{ sample_size: 64, attention_head_dim: 8 },
      down_block_types: [...Array<string>(3).fill('CrossAttnDownBlock2D'), 'DownBlock2D'],
      up_block_types: ['UpBlock2D', ...Array<string>(3).fill('CrossAttnUpBlock2D')],
    };
  return {
    ...common,
    sample_size: 128,
    // In this config the number of heads goes by that name.
    attention_head_dim: channels.map((c) => Math.max(1, Math.floor(c / head))),
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
    up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
    ...{ transformer_layers_per_block: [1, 2, 10], use_linear_projection: true },
    ...{ addition_embed_type: 'text_time', addition_time_embed_dim: time },
    projection_class_embeddings_input_dim: size(places, 'add_embedding.linear_1.weight', 1),
  };
}

function textConfig(part: 'text_encoder' | 'text_encoder_2', places: Places): Json {
  const width = textWidth(places);
  const first = part === 'text_encoder';
  return {
    architectures: [first ? 'CLIPTextModel' : 'CLIPTextModelWithProjection'],
    model_type: 'clip_text_model',
    hidden_size: width,
    intermediate_size: size(places, 'text_model.encoder.layers.0.mlp.fc1.weight', 0),
    num_hidden_layers: first ? 12 : 32,
    num_attention_heads: width / head,
    hidden_act: first ? 'quick_gelu' : 'gelu',
    max_position_embeddings: size(places, 'text_model.embeddings.position_embedding.weight', 0),
    vocab_size: size(places, 'text_model.embeddings.token_embedding.weight', 0),
    projection_dim: projectionWidth(places) || width,
    ...{ bos_token_id: 49406, eos_token_id: 49407, layer_norm_eps: 1e-5 },
  };
}

/** Without signal at the last timestep, sampling must begin there. */
export const zeroSnrScheduler = { timestep_spacing: 'trailing', rescale_betas_zero_snr: true } as const;

/** `scheduler_config.json`: the noise that all models of these architectures were trained with. */
export function schedulerConfig(architecture: KnownArchitecture, prediction: Prediction): Json {
  return {
    _class_name: architecture === 'sdxl' ? 'EulerDiscreteScheduler' : 'PNDMScheduler',
    ...{ num_train_timesteps: 1000, beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear' },
    ...{ clip_sample: false, set_alpha_to_one: false, steps_offset: 1 },
    ...{ timestep_spacing: 'leading', rescale_betas_zero_snr: false },
    ...(prediction.zeroTerminalSnr ? zeroSnrScheduler : {}),
    prediction_type: prediction.type,
  };
}

/** `model_index.json`, as far as it says how the parts are used. */
export const modelIndex = (architecture: KnownArchitecture): Json =>
  architecture === 'sdxl'
    ? { _class_name: 'StableDiffusionXLPipeline', force_zeros_for_empty_prompt: true }
    : { _class_name: 'StableDiffusionPipeline' };
