import picomatch from 'picomatch';
import { ParaError } from '../common/errors.ts';
import type { TargetLayer } from './method.ts';

type Rule = { readonly globs: readonly string[] } | { readonly kind: 'linear' };

const attention = ['**.attn*.to_{q,k,v}', '**.attn*.to_out.0'];
const feedForward = ['**.ff.net.0.proj', '**.ff.net.2'];

const presets: Readonly<Record<string, Rule>> = {
  attention: { globs: attention },
  'attention+ff': { globs: [...attention, ...feedForward] },
  'all-linear': { kind: 'linear' },
  // What the first author's public code adapts: self-attention, and the layers of ResNet blocks and samplers.
  author: {
    globs: [
      '**.attn1.to_{q,k,v}',
      '**.attn1.to_out.0',
      '**.resnets.*.{conv1,conv2,conv_shortcut,time_emb_proj}',
      '**.{downsamplers,upsamplers}.*.conv',
    ],
  },
};

/** Names that stand for a set of layers. */
export const layerPresets: readonly string[] = Object.keys(presets);

/**
 * The layers that a setting chooses, in graph order. A choice is a preset or a glob over module paths, or a list of
 * those: `*` stays within one part of a path, `**` crosses dots, `{a,b}` means either, a leading `!` takes layers
 * away from what the choices before it gave.
 * @throws ParaError `settings` for a choice that matches nothing
 */
export function chooseLayers<T extends TargetLayer>(
  layers: readonly T[],
  choice: string | readonly string[] = 'attention',
): T[] {
  const chosen = new Set<T>();
  for (const one of typeof choice === 'string' ? [choice] : choice) {
    const away = one.startsWith('!');
    const matches = matcher(away ? one.slice(1) : one);
    const found = layers.filter(matches);
    if (found.length === 0)
      throw new ParaError('settings', `No layer of the base matches "${one}"`, {
        where: 'method.layers',
        hint: `presets: ${layerPresets.join(', ')}; module paths look like ${layers[0]?.path ?? 'mid_block.attentions.0.proj_in'}`,
      });
    for (const layer of found) {
      if (away) chosen.delete(layer);
      else chosen.add(layer);
    }
  }
  return layers.filter((layer) => chosen.has(layer));
}

function matcher(choice: string): (layer: TargetLayer) => boolean {
  const preset: Rule = Object.hasOwn(presets, choice) ? presets[choice]! : { globs: [choice] };
  if ('kind' in preset) return (layer) => layer.kind === preset.kind;
  const match = picomatch(preset.globs.map(slashed));
  return (layer) => match(slashed(layer.path));
}

/** Dots separate modules as slashes separate folders, for which globs are made. */
const slashed = (text: string) => text.replaceAll('.', '/');
