import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openBase } from '../../src/diffusion/base.ts';
import { importBase } from '../../src/diffusion/base-import.ts';
import {
  difference,
  expectLikeDiffusers,
  ownHome,
  tenSteps,
  unetOutput,
  vaeDifference,
} from './checkpoint-outputs.ts';
import { checkpointGolden, golden, writeDiffusersFolder } from './random-checkpoint.ts';

const home = ownHome();

describe.each(['sd', 'sdxl'] as const)('a folder of diffusers of the architecture %s', (architecture) => {
  const file = checkpointGolden(architecture);

  it('gives text states, U-Net outputs, latents and pictures of diffusers within 1e-4', async () => {
    writeDiffusersFolder(join(home, architecture), architecture);
    await expectLikeDiffusers(importBase(join(home, architecture)), file);
  });

  it('may be spread over files and hold half precision', async () => {
    const path = join(home, `${architecture}-shards`);
    writeDiffusersFolder(path, architecture, { dtype: 'F16', variant: '.fp16', shards: 3 });
    const base = importBase(path);
    expect(difference(await unetOutput(base, file), golden(file, 'output'))).toBeLessThan(1e-4);
    expect(await vaeDifference(base, file)).toBeLessThan(1e-4);
    rmSync(join(path, 'unet/diffusion_pytorch_model.fp16-00002-of-00003.safetensors'));
    expect(() => importBase(path, 'again')).toThrow('are not all there');
  });
});

describe('what a folder of diffusers says', () => {
  const path = join(home, 'said');
  beforeAll(() => writeDiffusersFolder(path, 'sd'));
  const change = (file: string, to: object) => {
    const copy = join(home, 'changed');
    rmSync(copy, { recursive: true, force: true });
    cpSync(path, copy, { recursive: true });
    const now = JSON.parse(readFileSync(join(copy, file), 'utf8')) as object;
    writeFileSync(join(copy, file), JSON.stringify({ ...now, ...to }));
    return copy;
  };

  it('of its noise is kept: v-prediction without signal at the end takes the steps of diffusers', async () => {
    const changed = change('scheduler/scheduler_config.json', {
      ...{ prediction_type: 'v_prediction', rescale_betas_zero_snr: true, timestep_spacing: 'trailing' },
    });
    const base = importBase(changed, 'v');
    expect(base.predictionType).toBe('v_prediction');
    const file = checkpointGolden('sd');
    expect(difference(await tenSteps(base, file), golden(file, 'vLatents'))).toBeLessThan(1e-4);
  });

  it('may be links into a folder of blobs, as the cache of a hub is', async () => {
    const cache = join(home, 'cache');
    cpSync(path, cache, { recursive: true });
    mkdirSync(join(home, 'blobs'));
    for (const part of [
      'unet/diffusion_pytorch_model',
      'vae/diffusion_pytorch_model',
      'text_encoder/model',
    ]) {
      const link = join(cache, `${part}.safetensors`);
      const blob = join(home, 'blobs', part.replaceAll('/', '-'));
      renameSync(link, blob);
      symlinkSync(blob, link);
    }
    const file = checkpointGolden('sd');
    expect(difference(await tenSteps(importBase(cache), file), golden(file, 'latents'))).toBeLessThan(1e-4);
  });

  it('of its tokenizer is kept', () => {
    const known = join(importBase(path, 'plain').textEncoders[0]!.tokenizer, 'vocab.json');
    for (const name of ['vocab.json', 'merges.txt'])
      cpSync(join(known, '..', name), join(path, 'tokenizer', name));
    const { textEncoders } = importBase(
      change('tokenizer/tokenizer_config.json', { pad_token: '!' }),
      'padded',
    );
    const config = JSON.parse(
      readFileSync(join(textEncoders[0]!.tokenizer, 'tokenizer_config.json'), 'utf8'),
    );
    expect(config.pad_token).toBe('!');
  });

  it('is held against the graph: what it would compute otherwise is refused', () => {
    for (const [file, to] of [
      ['unet/config.json', { attention_head_dim: 4 }],
      ['unet/config.json', { freq_shift: 1 }],
      ['text_encoder/config.json', { hidden_act: 'gelu' }],
      ['vae/config.json', { norm_num_groups: 16 }],
    ] as const)
      expect(() => importBase(change(file, to), 'otherwise')).toThrow(Object.keys(to)[0]);
    expect(() =>
      importBase(change('scheduler/scheduler_config.json', { prediction_type: 'sample' }), 'otherwise'),
    ).toThrow('prediction_type');
  });

  it('does not make it a base before it is imported, and that is said', () => {
    expect(() => openBase(change('unet/config.json', {}))).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('para base import') }),
    );
    expect(() => openBase(join(path, 'vae/diffusion_pytorch_model.safetensors'))).toThrow('no base yet');
  });

  it('is not enough where weights are in files that can run code', () => {
    const copy = change('unet/config.json', {});
    const stem = join(copy, 'unet/diffusion_pytorch_model');
    renameSync(`${stem}.safetensors`, `${stem}.bin`);
    expect(() => importBase(copy, 'pickled')).toThrow('format that is not read');
  });
});
