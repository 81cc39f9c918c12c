import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openBase } from '../../src/diffusion/base.ts';
import { importBase } from '../../src/diffusion/base-import.ts';
import { checkout } from '../hosts/agent-host.ts';
import {
  difference,
  expectLikeDiffusers,
  ownHome,
  textStates,
  unetOutput,
  vaeDifference,
} from './checkpoint-outputs.ts';
import { checkpointGolden, golden, writeCheckpoint, writeDiffusersVae } from './random-checkpoint.ts';

const home = ownHome();
const at = (name: string) => join(home, name);

const only = (tensors: Record<string, number[]>, keep: (name: string) => boolean) =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => keep(name)));

describe.each(['sd', 'sdxl'] as const)(
  'a checkpoint of the architecture %s that lacks parts',
  (architecture) => {
    const file = checkpointGolden(architecture);
    const isVae = (name: string) => name.startsWith('first_stage_model.');
    const isText = (name: string) => /^(cond_stage_model|conditioner)\./.test(name);
    const pruned = at(`${architecture}-unet.safetensors`);
    const whole = `${architecture}-whole`;
    const vae = at(`${architecture}-vae.safetensors`);

    beforeAll(() => {
      writeCheckpoint(
        pruned,
        only(file.tensors, (name) => !isVae(name) && !isText(name)),
      );
      writeCheckpoint(at(`${whole}.safetensors`), file.tensors);
      importBase(at(`${whole}.safetensors`));
      writeDiffusersVae(vae, architecture);
    });

    it('says which, and what to add', () => {
      expect(() => importBase(pruned)).toThrow(
        expect.objectContaining({ hint: expect.stringContaining('--text-encoders BASE') }),
      );
      expect(() => importBase(pruned, undefined, { textEncoders: whole })).toThrow(
        expect.objectContaining({ hint: expect.stringContaining('--vae FILE') }),
      );
    });

    it('takes text encoders of another base and a VAE of another file: all outputs are those of the whole', async () => {
      const name = `${architecture}-mended`;
      const base = importBase(pruned, name, { textEncoders: whole, vae });
      await expectLikeDiffusers(base, file);
      // The encoders' weights lie in the other checkpoint still, which is watched as well.
      expect(new Set(base.textEncoders.flatMap(({ files }) => files))).toContain(at(`${whole}.safetensors`));
    });

    it('takes a VAE in the names of single files, with their prefix or without, at half precision', async () => {
      const tensors = only(file.tensors, isVae);
      writeCheckpoint(at('prefixed.safetensors'), tensors, 'F16');
      const base = importBase(pruned, `${architecture}-vae`, {
        ...{ textEncoders: whole, vae: at('prefixed.safetensors') },
      });
      expect(await vaeDifference(base, file)).toBeLessThan(1e-4);
    });
  },
);

describe('names of older versions of the libraries', () => {
  const file = checkpointGolden('sd');

  it("are known: a text encoder's without its model's name", async () => {
    const path = at('old-text.safetensors');
    writeCheckpoint(path, file.tensors, 'F32', undefined, (name) =>
      name.replace('cond_stage_model.transformer.text_model.', 'cond_stage_model.transformer.'),
    );
    const states = await textStates(importBase(path), file);
    expect(difference(states.hidden, golden(file, 'hidden'))).toBeLessThan(1e-4);
  });

  it("are known: those of a VAE's attention", async () => {
    const former: Record<string, string> = {
      to_q: 'query',
      to_k: 'key',
      to_v: 'value',
      'to_out.0': 'proj_attn',
    };
    writeDiffusersVae(at('old-vae.safetensors'), 'sd', 'F32', (name) =>
      name.replace(/\.(to_q|to_k|to_v|to_out\.0)\./, (_, part) => `.${former[part]}.`),
    );
    writeCheckpoint(at('new.safetensors'), file.tensors);
    const base = importBase(at('new.safetensors'), 'old-vae', { vae: at('old-vae.safetensors') });
    expect(await vaeDifference(base, file)).toBeLessThan(1e-4);
  });
});

describe('parts of others', () => {
  const sd = checkpointGolden('sd');

  it('replace those that a checkpoint has', async () => {
    const path = at('own.safetensors');
    writeCheckpoint(path, sd.tensors);
    const bare = only(sd.tensors, (name) => name.startsWith('first_stage_model.'));
    // The same names without prefix get other numbers: another VAE.
    const vae = Object.fromEntries(
      Object.entries(bare).map(([name, dims]) => [name.slice('first_stage_model.'.length), dims]),
    );
    writeCheckpoint(at('other-vae.safetensors'), vae);
    const base = importBase(path, 'other-vae', { vae: at('other-vae.safetensors') });
    expect(await vaeDifference(base, sd)).toBeGreaterThan(0.1);
    expect(difference(await unetOutput(base, sd), golden(sd, 'output'))).toBeLessThan(1e-4);
    expect(base.hash).not.toBe(importBase(path, 'own').hash);
  });

  it('must be of the same architecture, and be what they are taken for', () => {
    const path = at('own-2.safetensors');
    writeCheckpoint(path, sd.tensors);
    expect(() => importBase(path, 'x', { textEncoders: 'pocket-sdxl' })).toThrow('of another architecture');
    expect(() => importBase(path, 'x', { vae: path.replace('own-2', 'unet-only') })).toThrow('can be read');
    writeCheckpoint(at('flux-vae.safetensors'), { 'decoder.conv_in.weight': [64, 16, 3, 3] });
    expect(() => importBase(path, 'x', { vae: at('flux-vae.safetensors') })).toThrow(
      'latents of 16 channels',
    );
    writeCheckpoint(at('lora.safetensors'), { 'lora_unet_mid_block.lora_down.weight': [4, 8] });
    expect(() => importBase(path, 'x', { vae: at('lora.safetensors') })).toThrow(
      'holds no VAE: it is an adapter',
    );
    expect(() => openBase('x')).toThrow('no base');
  });

  it('are for checkpoints alone', () => {
    const exported = join(checkout, 'remote-agent/test/golden/bases/tiny-optimum');
    expect(() => importBase(exported, 'x', { textEncoders: 'pocket-sdxl' })).toThrow('Only a checkpoint');
  });
});
