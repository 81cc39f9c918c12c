/**
 * Names of U-Net layers in adapter files. diffusers' module paths are ours; kohya joins a path by underscores; SDXL
 * files of kohya's trainer use the names of the original latent-diffusion code ("LDM") instead.
 */

/** A path as kohya writes it: `a.b_c.0` is `a_b_c_0`. */
export const underscored = (path: string): string => path.replaceAll('.', '_');

const resnetParts: Readonly<Record<string, string>> = {
  norm1: 'in_layers.0',
  conv1: 'in_layers.2',
  time_emb_proj: 'emb_layers.1',
  norm2: 'out_layers.0',
  conv2: 'out_layers.3',
  conv_shortcut: 'skip_connection',
};

const single: Readonly<Record<string, string>> = {
  conv_in: 'input_blocks.0.0',
  'time_embedding.linear_1': 'time_embed.0',
  'time_embedding.linear_2': 'time_embed.2',
  'add_embedding.linear_1': 'label_emb.0.0',
  'add_embedding.linear_2': 'label_emb.0.2',
  conv_norm_out: 'out.0',
  conv_out: 'out.2',
};

/**
 * LDM name of every path of a U-Net. Blocks are numbered through: each diffusers down block of n ResNets is n
 * `input_blocks` and one more for its downsampler, each up block as many `output_blocks` as it has ResNets.
 * @param paths all layer paths of the base, from which the depth of its blocks is read
 */
export function ldmNames(paths: Iterable<string>): Map<string, string> {
  const all = [...paths];
  const depth = Math.max(
    1,
    ...all.map((p) => Number(/^down_blocks\.0\.resnets\.(\d+)\./.exec(p)?.[1] ?? 0) + 1),
  );
  const stride = depth + 1;
  const names = new Map<string, string>();
  for (const path of all) {
    const name = single[path] ?? blockName(path, stride, all);
    if (name !== undefined) names.set(path, name);
  }
  return names;
}

function blockName(path: string, stride: number, all: readonly string[]): string | undefined {
  const middle = /^mid_block\.(resnets|attentions)\.(\d+)\.(.+)$/.exec(path);
  if (middle) {
    const [, part, index, rest] = middle as unknown as [string, string, string, string];
    const at = 2 * Number(index) + (part === 'attentions' ? 1 : 0);
    return `middle_block.${at}.${part === 'resnets' ? (resnetParts[rest] ?? rest) : rest}`;
  }
  const block = /^(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)$/.exec(path);
  if (!block) return undefined;
  const [, side, blockText, part, innerText, rest] = block as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const i = Number(blockText);
  const j = Number(innerText);
  if (part === 'downsamplers') return `input_blocks.${(i + 1) * stride}.0.op`;
  if (part === 'upsamplers') {
    const attended = all.some((p) => p.startsWith(`up_blocks.${i}.attentions.`));
    return `output_blocks.${i * stride + stride - 1}.${attended ? 2 : 1}.${rest}`;
  }
  const at = side === 'down' ? `input_blocks.${1 + i * stride + j}` : `output_blocks.${i * stride + j}`;
  if (part === 'resnets') return `${at}.0.${resnetParts[rest] ?? rest}`;
  return part === 'attentions' ? `${at}.1.${rest}` : undefined;
}
