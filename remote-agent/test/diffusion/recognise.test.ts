import { describe, expect, it } from 'vitest';
import { predictionOf, recognise } from '../../src/diffusion/checkpoint/recognise.ts';
import type { WeightsHeader } from '../../src/diffusion/checkpoint/tensors.ts';
import { checkpointGolden } from './random-checkpoint.ts';

type Shapes = Record<string, readonly number[]>;

const where = '/models/x.safetensors';

function header(shapes: Shapes, metadata = {}): WeightsHeader {
  const place = { file: where, dtype: 'F16', offset: 0, length: 0 };
  return {
    tensors: new Map(Object.entries(shapes).map(([name, dims]) => [name, { ...place, name, dims }])),
    metadata,
  };
}

const recognised = (shapes: Shapes, names: 'ldm' | 'diffusers' = 'ldm') =>
  recognise(header(shapes).tensors, where, names);

const { tensors: sdxl } = checkpointGolden('sdxl');
const { tensors: sd } = checkpointGolden('sd');
const unet = 'model.diffusion_model.';

const without = (shapes: Shapes, part: string): Shapes =>
  Object.fromEntries(Object.entries(shapes).filter(([name]) => !name.includes(part)));

describe('a single-file checkpoint is recognised by its names and shapes', () => {
  it('SDXL base and Stable Diffusion 1.x, with what they tell of their training', () => {
    expect(recognised(sdxl)).toBe('sdxl');
    expect(recognised(sd)).toBe('sd');
    expect(predictionOf(header(sd))).toEqual({ type: 'epsilon', zeroTerminalSnr: false });
    expect(predictionOf(header({ ...sdxl, v_pred: [], ztsnr: [] }))).toEqual({
      type: 'v_prediction',
      zeroTerminalSnr: true,
    });
    expect(predictionOf(header(sd, { 'modelspec.prediction_type': 'v' })).type).toBe('v_prediction');
  });

  it.each<[string, Shapes]>([
    ['an SDXL model for inpainting', { ...sdxl, [`${unet}input_blocks.0.0.weight`]: [32, 9, 3, 3] }],
    ['1.x or 2.x model for inpainting', { ...sd, [`${unet}input_blocks.0.0.weight`]: [32, 9, 3, 3] }],
    ['takes 8 channels', { ...sd, [`${unet}input_blocks.0.0.weight`]: [32, 8, 3, 3] }],
    ['the SDXL refiner', { ...sdxl, [`${unet}input_blocks.9.0.op.weight`]: [96, 96, 3, 3] }],
    ['a Stable Diffusion 2.x model', { ...sd, [`${unet}input_blocks.1.1.proj_in.weight`]: [32, 32] }],
    ['other blocks than SDXL base', without(sdxl, 'input_blocks.7.1.transformer_blocks.9.')],
    ['an adapter', { 'lora_unet_down_blocks_1_attentions_0_proj_in.lora_down.weight': [4, 64] }],
    ['a Flux model', { 'double_blocks.0.img_attn.qkv.weight': [9216, 3072] }],
    ['a Stable Diffusion 3 model', { 'model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight': [1] }],
    ['a ControlNet', { 'control_model.input_hint_block.0.weight': [16, 3, 3, 3] }],
    ['a VAE alone', { 'first_stage_model.decoder.conv_in.weight': [512, 4, 3, 3] }],
    ['of an unknown kind (its tensors are called thing)', { thing: [1] }],
  ])('and otherwise refused with what it is: %s', (what, shapes) => {
    expect(() => recognised(shapes)).toThrow(what);
  });

  it('the same in the names of diffusers', () => {
    const conv = { 'conv_in.weight': [32, 4, 3, 3] };
    const first = 'down_blocks.0.attentions.0.proj_in.weight';
    const third = 'down_blocks.2.attentions.0.transformer_blocks.9.attn1.to_q.weight';
    const added = { 'add_embedding.linear_1.weight': [128, 144] };
    expect(recognised({ ...conv, [first]: [32, 32, 1, 1] }, 'diffusers')).toBe('sd');
    expect(recognised({ ...conv, ...added, [third]: [128, 128] }, 'diffusers')).toBe('sdxl');
    for (const [what, shapes] of [
      ['a Stable Diffusion 2.x model', { ...conv, [first]: [32, 32] }],
      ['the SDXL refiner', { ...conv, ...added, 'down_blocks.2.downsamplers.0.conv.weight': [96, 96, 3, 3] }],
      ['other blocks than SDXL base', { ...conv, ...added }],
      ['model for inpainting', { 'conv_in.weight': [32, 9, 3, 3], [first]: [32, 32, 1, 1] }],
      ['a diffusion transformer', { 'transformer_blocks.0.attn.to_q.weight': [64, 64] }],
    ] as const)
      expect(() => recognised(shapes, 'diffusers')).toThrow(what);
  });
});
