import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from 'tar';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Base } from '../../src/diffusion/base.ts';
import { importBase } from '../../src/diffusion/base-import.ts';
import { weightHashes } from '../../src/diffusion/checkpoint/weight-hashes.ts';
import { type ImportProgress, importRemote } from '../../src/hub/import.ts';
import { parseRemote } from '../../src/hub/source.ts';
import { difference, expectLikeDiffusers, unetOutput } from '../diffusion/checkpoint-outputs.ts';
import {
  checkpointGolden,
  golden,
  writeCheckpoint,
  writeDiffusersFolder,
  writeDiffusersVae,
} from '../diffusion/random-checkpoint.ts';
import { filesOf, HubServer } from './server.ts';

const work = mkdtempSync(join(tmpdir(), 'para-checkpoint-download-'));
const home = join(work, 'home');
process.env.PARA_HOME = home;
const sd = checkpointGolden('sd');
const optimum = join(import.meta.dirname, '../golden/bases/tiny-optimum');
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** Files of a folder of diffusers, written once. */
function folderFiles(
  name: string,
  architecture: 'sd' | 'sdxl',
  style?: Parameters<typeof writeDiffusersFolder>[2],
): Map<string, Buffer> {
  if (!existsSync(join(work, name))) writeDiffusersFolder(join(work, name), architecture, style);
  return filesOf(join(work, name));
}

/** A repository as they are: the same model in several precisions and formats, and what no base needs. */
const crowded = (architecture: 'sd' | 'sdxl') =>
  new Map([
    ...folderFiles(`${architecture}-single`, architecture),
    ...folderFiles(`${architecture}-half`, architecture, { dtype: 'F16', variant: '.fp16' }),
    ['unet/diffusion_pytorch_model.bin', Buffer.from('a pickle')],
    ['unet/diffusion_pytorch_model.non_ema.safetensors', Buffer.from('another average')],
    ['vae_1_0/diffusion_pytorch_model.safetensors', Buffer.from('a former VAE')],
    ['safety_checker/model.safetensors', Buffer.from('another model')],
    ['text_encoder/model.onnx', Buffer.from('half of an export')],
    ['model.ckpt', Buffer.from('a pickle')],
    ['README.md', Buffer.from('words')],
  ]);

/** The bytes of a checkpoint in one file. */
function oneFile(
  name: string,
  ...how: Parameters<typeof writeCheckpoint> extends [string, ...infer R] ? R : never
) {
  writeCheckpoint(join(work, name), ...how);
  return readFileSync(join(work, name));
}

let whole: Buffer;
let inpainting: Buffer;
beforeAll(() => {
  whole = oneFile('whole.safetensors', sd.tensors);
  const input = 'model.diffusion_model.input_blocks.0.0.weight';
  const [out = 0, , ...rest] = sd.tensors[input]!;
  inpainting = oneFile('inpainting.safetensors', { ...sd.tensors, [input]: [out, 9, ...rest] });
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

let hub: HubServer;
beforeEach(async () => {
  hub = await new HubServer(new Map()).start();
});
afterEach(() => {
  hub.stop();
  rmSync(home, { recursive: true, force: true });
});

const fill = (files: Iterable<readonly [string, Buffer]>) => {
  for (const [name, bytes] of files) hub.files.set(name, bytes);
};
const fromHub = (
  options: Parameters<typeof importRemote>[1] = {},
  more: { token?: string; file?: string } = {},
) => importRemote({ kind: 'hub', repository: 'owner/name', endpoint: hub.origin, ...more }, options);
const asked = () =>
  hub.seen.flatMap(({ path, range }) =>
    path.includes('/resolve/') && !range?.startsWith('bytes=0-') ? [path.split('/').slice(5).join('/')] : [],
  );

/** The base is whole without anything outside its folder. */
function expectOwn(base: Base): void {
  expect(readdirSync(join(home, 'downloads'))).toEqual([]);
  const { files } = JSON.parse(readFileSync(join(base.directory, 'weights.json'), 'utf8')) as {
    files: { path: string }[];
  };
  for (const { path } of files) expect(statSync(join(base.directory, path)).isFile()).toBe(true);
}

describe('a folder of diffusers on a hub', () => {
  it.each(['sd', 'sdxl'] as const)(
    'is fetched once, in half precision, without what no base needs, and computes what diffusers does: %s',
    async (architecture) => {
      fill(crowded(architecture));
      const progress: ImportProgress[] = [];
      const base = await fromHub({ onProgress: (p) => void progress.push(p) });
      expect(
        asked()
          .filter((path) => !/^(model_index|[a-z_0-9]+\/.*(config|_map|vocab)\.json)/.test(path))
          .sort(),
      ).toEqual([
        'text_encoder/model.fp16.safetensors',
        ...(architecture === 'sdxl' ? ['text_encoder_2/model.fp16.safetensors'] : []),
        'unet/diffusion_pytorch_model.fp16.safetensors',
        'vae/diffusion_pytorch_model.fp16.safetensors',
      ]);
      const first = progress.find(({ phase }) => phase === 'downloading')!;
      const bytes = asked().reduce((sum, path) => sum + hub.files.get(path)!.length, 0);
      expect(first).toEqual({ phase: 'downloading', doneBytes: 0, totalBytes: bytes });
      expectOwn(base);
      await expectLikeDiffusers(base, checkpointGolden(architecture));
    },
  );

  it('is the base that the same folder here makes', async () => {
    fill(folderFiles('sd-single', 'sd'));
    const { hash } = await fromHub();
    expect(importBase(join(work, 'sd-single')).hash).toBe(hash);
  });

  it('arrives in parts over a link that is cut, each byte once', async () => {
    fill(folderFiles('parts', 'sd', { dtype: 'F16', variant: '.fp16', shards: 3 }));
    hub.cuts = [200_000, 100_000, 100_000];
    const base = await fromHub();
    expect(hub.cuts).toEqual([]);
    expect(asked().filter((path) => path.startsWith('unet/') && path.includes('-of-00003'))).toHaveLength(3);
    expect(difference(await unetOutput(base, sd), golden(sd, 'output'))).toBeLessThan(1e-4);
  });

  it('goes on in a later import where an earlier one was cancelled, and says how much is here', async () => {
    fill(folderFiles('sd-single', 'sd'));
    const control = new AbortController();
    const first = fromHub({
      signal: control.signal,
      onProgress: (p) => {
        if (p.phase === 'downloading' && p.doneBytes > 1_000_000) control.abort();
      },
    });
    await expect(first).rejects.toMatchObject({ code: 'cancelled' });
    const done = new Set(asked());
    hub.seen.length = 0;
    const progress: ImportProgress[] = [];
    await fromHub({ onProgress: (p) => void progress.push(p) });
    const again = hub.seen.filter(
      ({ path, range }) => done.has(path.split('/').slice(5).join('/')) && range === undefined,
    );
    expect(again).toEqual([]);
    expect(progress.find(({ phase }) => phase === 'downloading')!.doneBytes).toBeGreaterThan(1_000_000);
  });

  it('is refused without its token, which goes to the hub alone', async () => {
    fill(folderFiles('sd-single', 'sd'));
    hub.token = 'hf_secretsecretsecret';
    await expect(fromHub()).rejects.toMatchObject({
      code: 'download',
      hint: expect.stringContaining('PARA_HUB_TOKEN'),
    });
    const storage = await new HubServer(hub.files).start();
    hub.storage = storage;
    await fromHub({}, { token: hub.token });
    expect(storage.seen.length).toBeGreaterThan(3);
    expect(storage.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
    storage.stop();
  });

  it('is told apart from an export beside it: the smaller one is taken, and the export where it is the only base', async () => {
    const exported = [...filesOf(optimum)];
    fill(folderFiles('sdxl-half', 'sdxl', { dtype: 'F16', variant: '.fp16' }));
    const large = Buffer.alloc(100 << 20);
    fill(exported.filter(([name]) => !hub.files.has(name)));
    hub.files.set('unet/model.onnx_data', large);
    await fromHub({ name: 'smaller' });
    expect(asked().some((path) => path.endsWith('.onnx'))).toBe(false);
    hub.seen.length = 0;
    hub.files.clear();
    fill(exported);
    fill([...folderFiles('sd-single', 'sd')].filter(([name]) => name.startsWith('unet/diffusion')));
    await fromHub({ name: 'only' });
    expect(asked().some((path) => path.endsWith('.safetensors'))).toBe(false);
  });

  it('is refused where weights are in files that can run code', async () => {
    for (const [name, bytes] of folderFiles('sd-single', 'sd'))
      hub.files.set(name.replace('.safetensors', '.bin'), bytes);
    await expect(fromHub()).rejects.toMatchObject({
      code: 'base',
      hint: expect.stringContaining('safetensors'),
    });
    expect(asked()).toEqual([]);
  });
});

describe('a checkpoint in one file', () => {
  const adapter = () => oneFile('adapter.safetensors', { 'lora_unet_x.lora_down.weight': [4, 8] });

  it('is found on a hub among adapters and parts, and keeps its name and hash', async () => {
    writeDiffusersVae(join(work, 'vae.safetensors'), 'sd');
    fill([
      ['My Model (v1).safetensors', whole],
      ['offset-lora.safetensors', adapter()],
      ['vae.safetensors', readFileSync(join(work, 'vae.safetensors'))],
    ]);
    const base = await fromHub();
    expectOwn(base);
    expect(await weightHashes(base.directory)).toMatchObject([
      { file: 'My Model (v1).safetensors', sha256: sha256(whole) },
    ]);
    await expectLikeDiffusers(base, sd);
  });

  it('is one of several where its address says which', async () => {
    const half = oneFile('half.safetensors', sd.tensors, 'F16');
    fill([
      ['whole.safetensors', whole],
      ['half.safetensors', half],
    ]);
    const address = `${hub.origin}/owner/name/resolve/${'c'.repeat(40)}/half.safetensors`;
    await expect(fromHub()).rejects.toMatchObject({
      code: 'base',
      where: expect.stringContaining('whole.safetensors'),
      hint: expect.stringContaining('/owner/name/resolve/'),
    });
    const page = address.replace('resolve', 'blob');
    for (const [name, source] of [
      ['served', parseRemote(address)!],
      ['shown', parseRemote(page)!],
      ['as-typed', { kind: 'url', url: page }],
    ] as const) {
      const base = await importRemote(source, { name });
      expect(await weightHashes(base.directory)).toMatchObject([{ sha256: sha256(half) }]);
    }
    await expect(fromHub({}, { file: 'third.safetensors' })).rejects.toMatchObject({ code: 'download' });
  });

  it('is taken from an address over a link that is cut, and held to the hash that the address tells', async () => {
    hub.files.set('my model.safetensors', whole);
    hub.cuts = [100_000, 200_000, 300_000];
    const progress: ImportProgress[] = [];
    const address = `${hub.origin}/stored/my%20model.safetensors?download=true`;
    const base = await importRemote(parseRemote(`${address}#sha256=${sha256(whole)}`)!, {
      onProgress: (p) => void progress.push(p),
    });
    expect(hub.cuts).toEqual([]);
    expect(base.name).toBe('my-model');
    expect(progress.find(({ phase }) => phase === 'downloading')).toMatchObject({
      doneBytes: 0,
      totalBytes: whole.length,
    });
    expectOwn(base);
    expect(difference(await unetOutput(base, sd), golden(sd, 'output'))).toBeLessThan(1e-4);
    const wrong = parseRemote(`${address}#sha256=${'0'.repeat(64)}`)!;
    await expect(importRemote(wrong, { name: 'wrong' })).rejects.toMatchObject({ code: 'download' });
    expect(existsSync(join(home, 'bases/wrong'))).toBe(false);
  });

  it('is taken from a server that knows no ranges', async () => {
    hub.files.set('model.safetensors', whole);
    hub.withoutRanges = true;
    await importRemote(parseRemote(`${hub.origin}/stored/model.safetensors`)!);
  });

  it('of another kind is refused with what it is before its weights are fetched', async () => {
    fill([
      ['inpainting.safetensors', inpainting],
      ['adapter.safetensors', adapter()],
      ['page.safetensors', Buffer.from('<html>no model at all</html>')],
    ]);
    const take = (name: string) => importRemote(parseRemote(`${hub.origin}/stored/${name}.safetensors`)!);
    await expect(take('inpainting')).rejects.toThrow('for inpainting');
    await expect(take('adapter')).rejects.toThrow('an adapter');
    await expect(take('page')).rejects.toMatchObject({ code: 'safetensors' });
    await expect(fromHub({}, { file: 'inpainting.safetensors' })).rejects.toThrow('for inpainting');
    expect(hub.seen.filter(({ path, range }) => path.endsWith('.safetensors') && !range)).toEqual([]);
    await expect(take('nothing')).rejects.toThrow('404');
  });

  it.each(['folder', 'file'] as const)(
    'or a folder of diffusers may come in an archive: %s',
    async (kind) => {
      const packed = join(work, `packed-${kind}`);
      mkdirSync(packed, { recursive: true });
      if (kind === 'folder')
        writeDiffusersFolder(join(packed, 'inner'), 'sd', { dtype: 'F16', variant: '.fp16' });
      else writeCheckpoint(join(packed, 'inner.safetensors'), sd.tensors);
      const file = join(work, `${kind}.tar.gz`);
      await create({ file, gzip: true, cwd: packed }, readdirSync(packed));
      hub.files.set(`${kind}.tar.gz`, readFileSync(file));
      const base = await importRemote(parseRemote(`${hub.origin}/stored/${kind}.tar.gz`)!);
      expectOwn(base);
      expect(difference(await unetOutput(base, sd), golden(sd, 'output'))).toBeLessThan(1e-4);
    },
  );
});
