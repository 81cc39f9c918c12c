import { ldmNames } from '../../adapters/layer-names.ts';

/** Where the weight of a module lies in a file: a tensor's name, and what part of it or how turned. */
export interface WeightName {
  readonly name: string;
  /** The n-th of three equal parts, by rows: projections that are stored as one matrix. */
  readonly third?: 0 | 1 | 2;
  /** The matrix lies as [in, out] instead of [out, in]. */
  readonly transposed?: boolean;
}

/** Prefixes under which single-file checkpoints keep the parts of a base. */
export const unetPrefix = 'model.diffusion_model.';
export const vaePrefix = 'first_stage_model.';
export const clipPrefix = {
  sdxl: 'conditioner.embedders.0.transformer.',
  sd: 'cond_stage_model.transformer.',
};
export const openClipPrefix = 'conditioner.embedders.1.model.';

const split = (name: string): [string, string] => {
  const dot = name.lastIndexOf('.');
  return [name.slice(0, dot), name.slice(dot)];
};

/** Names of a U-Net's weights in latent-diffusion files, by those of diffusers. */
export function ldmUnetNames(weights: readonly string[]): Map<string, WeightName> {
  const modules = ldmNames(new Set(weights.map((name) => split(name)[0])));
  const names = new Map<string, WeightName>();
  for (const name of weights) {
    const [module, kind] = split(name);
    const ldm = modules.get(module);
    if (ldm !== undefined) names.set(name, { name: `${ldm}${kind}` });
  }
  return names;
}

const vaeAttention: Readonly<Record<string, string>> = {
  group_norm: 'norm',
  to_q: 'q',
  to_k: 'k',
  to_v: 'v',
  'to_out.0': 'proj_out',
};

/** Name of a VAE's weight in latent-diffusion files. @param blocks number of down (and up) blocks */
export function ldmVaeName(weight: string, blocks = 4): WeightName {
  const [module, kind] = split(weight);
  const name = module
    .replace(/\.down_blocks\.(\d+)\.resnets\.(\d+)/, '.down.$1.block.$2')
    .replace(/\.down_blocks\.(\d+)\.downsamplers\.0/, '.down.$1.downsample')
    .replace(/\.up_blocks\.(\d+)\.resnets\.(\d+)/, (_, i, j) => `.up.${blocks - 1 - Number(i)}.block.${j}`)
    .replace(/\.up_blocks\.(\d+)\.upsamplers\.0/, (_, i) => `.up.${blocks - 1 - Number(i)}.upsample`)
    .replace(/\.mid_block\.resnets\.(\d+)/, (_, i) => `.mid.block_${Number(i) + 1}`)
    .replace(/\.mid_block\.attentions\.0\.(.+)/, (_, part) => `.mid.attn_1.${vaeAttention[part] ?? part}`)
    .replace('conv_shortcut', 'nin_shortcut')
    .replace('conv_norm_out', 'norm_out');
  return { name: `${name}${kind}` };
}

const openClipModules: readonly (readonly [RegExp, string])[] = [
  [/^text_model\.embeddings\.token_embedding$/, 'token_embedding'],
  [/^text_model\.final_layer_norm$/, 'ln_final'],
  [/^text_model\.encoder\.layers\.(\d+)\.layer_norm1$/, 'transformer.resblocks.$1.ln_1'],
  [/^text_model\.encoder\.layers\.(\d+)\.layer_norm2$/, 'transformer.resblocks.$1.ln_2'],
  [/^text_model\.encoder\.layers\.(\d+)\.mlp\.fc1$/, 'transformer.resblocks.$1.mlp.c_fc'],
  [/^text_model\.encoder\.layers\.(\d+)\.mlp\.fc2$/, 'transformer.resblocks.$1.mlp.c_proj'],
  [/^text_model\.encoder\.layers\.(\d+)\.self_attn\.out_proj$/, 'transformer.resblocks.$1.attn.out_proj'],
];

/** Name of a text encoder's weight as OpenCLIP stores it, by that of transformers' CLIP. */
export function openClipName(weight: string): WeightName | undefined {
  if (weight === 'text_model.embeddings.position_embedding.weight') return { name: 'positional_embedding' };
  if (weight === 'text_projection.weight') return { name: 'text_projection', transposed: true };
  const [module, kind] = split(weight);
  const projection = /^text_model\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj$/.exec(module);
  if (projection)
    return {
      name: `transformer.resblocks.${projection[1]}.attn.in_proj_${kind.slice(1)}`,
      third: 'qkv'.indexOf(projection[2]!) as 0 | 1 | 2,
    };
  for (const [pattern, name] of openClipModules)
    if (pattern.test(module)) return { name: `${module.replace(pattern, name)}${kind}` };
  return undefined;
}
