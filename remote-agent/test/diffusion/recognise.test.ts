import { describe, expect, it } from 'vitest';
import type { SafetensorsHeader } from '../../src/adapters/safetensors-header.ts';
import { recognise } from '../../src/diffusion/checkpoint/recognise.ts';
import { checkpointGolden } from './random-checkpoint.ts';

type Shapes = Record<string, readonly number[]>;

function header(shapes: Shapes, metadata = {}): SafetensorsHeader {
  const tensors = new Map(
    Object.entries(shapes).map(([name, dims]) => [name, { name, dims, dtype: 'F16', offset: 0, length: 0 }]),
  );
  return { path: '/models/x.safetensors', bytes: 0, tensors, metadata };
}

const { tensors: sdxl } = checkpointGolden('sdxl');
const { tensors: sd } = checkpointGolden('sd');
const unet = 'model.diffusion_model.';

const without = (shapes: Shapes, part: string): Shapes =>
  Object.fromEntries(Object.entries(shapes).filter(([name]) => !name.includes(part)));

describe('a single-file checkpoint is recognised by its names and shapes', () => {
  it('SDXL base and Stable Diffusion 1.x, with what they tell of their training', () => {
    const epsilon = { type: 'epsilon', zeroTerminalSnr: false };
    expect(recognise(header(sdxl))).toEqual({ architecture: 'sdxl', prediction: epsilon });
    expect(recognise(header(sd))).toEqual({ architecture: 'sd', prediction: epsilon });
    expect(recognise(header({ ...sdxl, v_pred: [], ztsnr: [] })).prediction).toEqual({
      type: 'v_prediction',
      zeroTerminalSnr: true,
    });
    expect(recognise(header(sd, { 'modelspec.prediction_type': 'v' })).prediction.type).toBe('v_prediction');
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
    expect(() => recognise(header(shapes))).toThrow(what);
  });
});
