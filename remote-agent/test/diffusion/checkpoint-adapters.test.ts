import { createHash } from 'node:crypto';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeAdapter } from '../../src/adapters/adapter.ts';
import { baseWeights } from '../../src/adapters/base-weights.ts';
import { exportAdapter } from '../../src/adapters/export.ts';
import { decodeSafetensors } from '../../src/adapters/safetensors.ts';
import { applied, readAdapterFor } from '../../src/diffusion/applied.ts';
import { type Base, openBase } from '../../src/diffusion/base.ts';
import { importBase } from '../../src/diffusion/base-import.ts';
import { baseOrigin } from '../../src/diffusion/checkpoint/weight-hashes.ts';
import { goldenPath } from '../training/golden.ts';
import { placesFor } from '../training/places.ts';
import { paintAll, run, tinySpec } from '../training/runs.ts';
import { checkpointExports, randomAdapter } from './checkpoint-adapters.ts';
import { difference, ownHome, tenSteps } from './checkpoint-outputs.ts';
import { checkpointGolden, writeCheckpoint, writeDiffusersFolder } from './random-checkpoint.ts';

const home = ownHome();
const place = placesFor('checkpoint-training');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

interface Case {
  readonly sha256: string;
  readonly latents: { readonly data: string };
}
const cases = JSON.parse(readFileSync(goldenPath('checkpoints/adapters.json'), 'utf8')) as Record<
  string,
  Case
>;
const latentsOf = ({ latents: { data } }: Case) =>
  new Float32Array(new Uint8Array(Buffer.from(data, 'base64')).buffer);

/** What an adapter for a checkpoint says of it, by our own reading of the file. */
function hashesOf(path: string): Record<string, string> {
  const bytes = readFileSync(path);
  return {
    ss_sd_model_hash: sha256(bytes.subarray(0x100000, 0x110000)).slice(0, 8),
    ss_new_sd_model_hash: sha256(bytes),
  };
}

describe.each(['sd', 'sdxl'] as const)(
  'adapters for an imported checkpoint of the architecture %s',
  (architecture) => {
    const file = checkpointGolden(architecture);
    const path = join(home, `${architecture}.safetensors`);
    let base: Base;
    beforeAll(() => {
      writeCheckpoint(path, file.tensors);
      base = importBase(path);
    });

    it('are the files that diffusers loaded, and draw here what they drew there', async () => {
      for (const [name, files] of await checkpointExports(base)) {
        const wanted = cases[`${architecture}-${name}`]!;
        const exported = files.get('')!;
        expect(sha256(exported), name).toBe(wanted.sha256);
        writeFileSync(join(home, 'exported.safetensors'), exported);
        const own = randomAdapter(base, name.startsWith('para') ? 'para' : 'lora');
        const read = readAdapterFor(join(home, 'exported.safetensors'), base).adapter;
        // Ten steps of the larger one take their time.
        for (const adapter of architecture === 'sd' ? [own, read] : [own])
          expect(
            difference(await tenSteps(base, file, [applied(adapter, 1, name)]), latentsOf(wanted)),
            name,
          ).toBeLessThan(1e-4);
      }
    });

    it('name layers of the file as ComfyUI and A1111 look them up', async () => {
      const { tensors, metadata } = decodeSafetensors(
        (await checkpointExports(base)).get('lora-kohya')!.get('')!,
      );
      // SDXL files of kohya's trainer use the checkpoint's own names; those for SD 1.x those of diffusers.
      const unet = Object.keys(file.tensors).flatMap((name) =>
        name.startsWith('model.diffusion_model.') && name.endsWith('.weight')
          ? [
              `lora_unet_${name.slice('model.diffusion_model.'.length, -'.weight'.length).replaceAll('.', '_')}`,
            ]
          : [],
      );
      const stems = new Set([...tensors.keys()].map((name) => name.slice(0, name.indexOf('.'))));
      if (architecture === 'sdxl') expect(unet).toEqual(expect.arrayContaining([...stems]));
      else expect([...stems].every((stem) => /^lora_unet_(down|mid|up)_block/.test(stem))).toBe(true);
      expect(metadata).toMatchObject({ ss_sd_model_name: `${architecture}.safetensors`, ...hashesOf(path) });
    });

    it.each([
      ['lora', 'F16'],
      ['para', 'BF16'],
    ] as const)('are trained on it (%s on a file of %s) and name it by its hashes', async (method, dtype) => {
      const half = join(home, `${architecture}-${dtype}.safetensors`);
      writeCheckpoint(half, file.tensors, dtype);
      const { name } = importBase(half);
      const directory = place();
      await paintAll(directory, [[64, 64]]);
      const spec = tinySpec(directory, {
        ...{ base: name, method: { name: method, layers: 'mid_block.**.attn{1,2}.to_*' } },
        training: { steps: 3, resolution: 64 },
      });
      const { files, events } = await run(directory, 'run', spec);
      const losses = events.flatMap((event) => (event.type === 'step' ? [event.loss] : []));
      expect(losses).toHaveLength(3);
      expect(losses.every(Number.isFinite)).toBe(true);
      const trained = decodeAdapter(readFileSync(files.adapter), files.adapter);
      const opened = openBase(name);
      const origin = await baseOrigin(opened.directory);
      const options = {
        format: 'kohya',
        as: 'lora',
        ...baseWeights(opened.unet),
        ...(origin ? { origin } : {}),
      } as const;
      const { metadata } = decodeSafetensors(exportAdapter(trained, options).get('')!);
      expect(metadata).toMatchObject({
        ...{ ss_sd_model_name: `${architecture}-${dtype}.safetensors`, ...hashesOf(half) },
        'para_studio.base_hash': opened.hash,
        ss_base_model_version: architecture === 'sdxl' ? 'sdxl_base_v1-0' : 'sd_v1',
      });
    });
  },
);

it('a checkpoint that was given by a link, as download caches hold it, goes by the name of the link', async () => {
  const [blob, link] = [join(home, '0123456789abcdef'), join(home, 'my-model.safetensors')];
  writeCheckpoint(blob, checkpointGolden('sd').tensors);
  symlinkSync(blob, link);
  const base = importBase(link);
  expect(base.name).toBe('my-model');
  expect((await baseOrigin(base.directory))!.checkpoint).toMatchObject({
    ...{ file: 'my-model.safetensors', sha256: sha256(readFileSync(blob)) },
  });
});

it('an adapter for a folder of diffusers names no file, which other tools know by no hash', async () => {
  writeDiffusersFolder(join(home, 'folder'), 'sd');
  expect(await baseOrigin(importBase(join(home, 'folder')).directory)).toBeUndefined();
});

it('a VAE that replaces the own one is named by its hashes beside the checkpoint', async () => {
  const path = join(home, 'sd.safetensors');
  const vae = join(home, 'vae.safetensors');
  const tensors = Object.entries(checkpointGolden('sd').tensors).filter(([name]) =>
    name.startsWith('first_stage'),
  );
  writeCheckpoint(vae, Object.fromEntries(tensors));
  const base = importBase(path, 'sd-vae', { vae });
  const { metadata } = decodeSafetensors((await checkpointExports(base)).get('lora-diffusers')!.get('')!);
  const { ss_sd_model_hash, ss_new_sd_model_hash } = hashesOf(vae);
  expect(metadata).toMatchObject({
    ...{
      ss_vae_name: 'vae.safetensors',
      ss_vae_hash: ss_sd_model_hash,
      ss_new_vae_hash: ss_new_sd_model_hash,
    },
    ...hashesOf(path),
  });
});
