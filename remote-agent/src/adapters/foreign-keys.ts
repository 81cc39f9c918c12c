import { ParaError } from '../common/errors.ts';
import type { FloatTensor } from './method.ts';

/** One layer of another tool's file, under the name that the file gives it. */
export interface ForeignLayer {
  readonly name: string;
  down?: FloatTensor;
  up?: FloatTensor;
  alpha?: number;
  /** PaRa's B (PEFT's `deft_P`). */
  basis?: FloatTensor;
}

const textEncoders = /^(?:lora_te\d?_|text_encoder(?:_2)?\.|te\d?\.|base_model\.model\.text_)/;
const unetPrefix = /^(?:lora_unet_|base_model\.model\.unet\.|base_model\.model\.|unet\.|diffusion_model\.)/;

const parts: readonly (readonly [RegExp, 'down' | 'up' | 'alpha' | 'basis'])[] = [
  [/\.lora_down\.weight$/, 'down'],
  [/\.lora_up\.weight$/, 'up'],
  [/\.lora_A(?:\.default)?\.weight$/, 'down'],
  [/\.lora_B(?:\.default)?\.weight$/, 'up'],
  [/[._]lora\.down\.weight$/, 'down'],
  [/[._]lora\.up\.weight$/, 'up'],
  [/\.alpha$/, 'alpha'],
  [/\.deft_P$/, 'basis'],
];

/**
 * Sorts the tensors of another tool's file by layer.
 * @throws ParaError `adapter` for keys that are no plain LoRA or PaRa, and for layers with a part missing
 */
export function readForeign(
  tensors: ReadonlyMap<string, FloatTensor>,
  where: string,
): { found: ForeignLayer[]; ignored: string[]; layout: 'peft' | 'diffusers' | 'kohya' } {
  const byName = new Map<string, ForeignLayer>();
  const ignored: string[] = [];
  let layout: 'peft' | 'diffusers' | 'kohya' = 'diffusers';
  for (const [key, tensor] of tensors) {
    if (textEncoders.test(key)) {
      ignored.push(key);
      continue;
    }
    if (key.startsWith('lora_unet_')) layout = 'kohya';
    else if (key.startsWith('base_model.model.')) layout = 'peft';
    const known = parts.find(([ending]) => ending.test(key));
    if (!known)
      throw new ParaError('adapter', `The tensor ${key} belongs to no plain LoRA or PaRa`, {
        where,
        hint: 'LoHa, LoKr, DoRA and full-weight differences cannot be imported',
      });
    const [ending, part] = known;
    const name = key.replace(ending, '').replace(unetPrefix, '');
    const layer = byName.get(name) ?? { name };
    byName.set(name, layer);
    if (part === 'alpha') layer.alpha = tensor.data[0] ?? Number.NaN;
    else layer[part] = tensor;
  }
  const found = [...byName.values()];
  for (const { name, down, up, alpha, basis } of found) {
    const whole = basis ? !down && !up : down && up;
    if (!whole || Number.isNaN(alpha))
      throw new ParaError('adapter', `The layer ${name} is not complete`, {
        where,
        hint: 'the file lacks one of its two matrices; export it again',
      });
  }
  const bases = found.filter(({ basis }) => basis).length;
  if (bases > 0 && bases < found.length)
    throw new ParaError('adapter', 'The file mixes PaRa and LoRA layers', { where });
  return { found, ignored, layout };
}
