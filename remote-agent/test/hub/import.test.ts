import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from 'tar';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBase } from '../../src/diffusion/base.ts';
import { download } from '../../src/hub/fetch.ts';
import { type ImportProgress, importRemote } from '../../src/hub/import.ts';
import { parseRemote, tokenFor } from '../../src/hub/source.ts';
import { deleteBase } from '../../src/server/bases/places.ts';
import { filesOf, HubServer } from './server.ts';
import { zipOf } from './zip.ts';

const work = mkdtempSync(join(tmpdir(), 'para-hub-'));
const optimum = join(import.meta.dirname, '../golden/bases/tiny-optimum');
const home = join(work, 'home');
process.env.PARA_HOME = home;
afterAll(() => rmSync(work, { recursive: true, force: true }));

let hub: HubServer;
beforeEach(async () => {
  const files = filesOf(optimum);
  files.set('unet/diffusion_pytorch_model.safetensors', Buffer.from('weights of another tool'));
  files.set('unet/model_fp16.onnx', Buffer.from('another precision'));
  files.set('README.md', Buffer.from('words'));
  hub = await new HubServer(files).start();
});
afterEach(() => {
  hub.stop();
  rmSync(home, { recursive: true, force: true });
});

const fromHub = (options: Parameters<typeof importRemote>[1] = {}, token?: string) =>
  importRemote(
    { kind: 'hub', repository: 'owner/name', endpoint: hub.origin, ...(token ? { token } : {}) },
    options,
  );
const fetched = () => hub.seen.filter(({ path }) => path.includes('/resolve/'));

describe('a base of a hub', () => {
  it('is downloaded with the files it needs alone, and is the same base', async () => {
    const progress: ImportProgress[] = [];
    const base = await fromHub({ onProgress: (p) => void progress.push(p) });
    expect(base).toMatchObject({ name: 'name', hash: openBase(optimum).hash });
    expect(fetched().filter(({ path }) => /safetensors|fp16|README/.test(path))).toEqual([]);
    const last = progress.filter((p) => p.phase === 'downloading').at(-1)!;
    expect(last.doneBytes).toBe(last.totalBytes);
    expect(readdirSync(join(home, 'downloads'))).toEqual([]);
    await expect(fromHub()).rejects.toMatchObject({ code: 'exists' });
  });

  it('arrives over a link that is cut again and again, each byte once', async () => {
    hub.cuts = Array.from({ length: 12 }, () => 100_000);
    await fromHub();
    const ranges = fetched().filter(({ range }) => range !== undefined);
    expect(ranges).toHaveLength(12);
    expect(hub.cuts).toEqual([]);
    expect(openBase('name').hash).toBe(openBase(optimum).hash);
  });

  it('goes on in a later import where an earlier one was cancelled', async () => {
    const control = new AbortController();
    const first = fromHub({
      signal: control.signal,
      onProgress: (p) => {
        if (p.doneBytes > 1_000_000) control.abort();
      },
    });
    await expect(first).rejects.toMatchObject({ code: 'cancelled' });
    expect(existsSync(join(home, 'bases/name'))).toBe(false);
    const before = new Set(fetched().map(({ path }) => path));
    hub.seen.length = 0;
    await fromHub();
    const again = fetched().filter(({ path, range }) => before.has(path) && range === undefined);
    expect(again).toEqual([]);
  });

  it('starts a file again that has changed on the server, or whose server knows no ranges', async () => {
    const target = join(work, 'changing');
    const url = new URL(`${hub.origin}/owner/name/resolve/main/unet/model.onnx`);
    const bytes = hub.files.get('unet/model.onnx')!;
    writeFileSync(`${target}.part`, Buffer.alloc(5000, 7));
    writeFileSync(`${target}.part.tag`, '"an-older-one"');
    await download(url, target);
    expect(readFileSync(target).equals(bytes)).toBe(true);
    rmSync(target);
    hub.withoutRanges = true;
    hub.cuts = [50_000, 60_000];
    await download(url, target, { pause: 1 });
    expect(readFileSync(target).equals(bytes)).toBe(true);
  });

  it('arrives from a server that closes every connection', async () => {
    hub.closing = true;
    const bytes = randomBytes(20 << 20);
    hub.files.set('large', bytes);
    for (let i = 0; i < 10; i++) {
      const target = join(work, `large-${i}`);
      await download(new URL(`${hub.origin}/stored/large`), target, { size: bytes.length });
      expect(readFileSync(target).equals(bytes)).toBe(true);
    }
    await fromHub();
  });

  it('is refused a file that does not end where the hub said', async () => {
    const storage = await new HubServer(new Map(hub.files)).start();
    hub.storage = storage;
    const right = hub.files.get('unet/model.onnx')!;
    storage.files.set('unet/model.onnx', Buffer.concat([right, Buffer.alloc(1 << 20)]));
    await expect(fromHub()).rejects.toMatchObject({
      code: 'download',
      message: expect.stringContaining('more than'),
    });
    storage.stop();
  });

  it('is refused where a file has other bytes than the hub announced', async () => {
    const right = hub.files.get('vae_decoder/model.onnx')!;
    const storage = await new HubServer(new Map(hub.files)).start();
    hub.storage = storage;
    storage.files.set('vae_decoder/model.onnx', Buffer.from(right).fill(1, 1000, 1001));
    await expect(fromHub()).rejects.toMatchObject({
      code: 'download',
      where: expect.not.stringContaining('signature'),
    });
    expect(existsSync(join(home, 'bases/name'))).toBe(false);
    storage.files.set('vae_decoder/model.onnx', right);
    await fromHub();
    storage.stop();
  });

  it('is refused without its token, and the token goes to the hub alone', async () => {
    const token = 'hf_secretsecretsecret';
    hub.token = token;
    await expect(fromHub()).rejects.toMatchObject({
      code: 'download',
      message: expect.stringContaining('401'),
      hint: expect.stringContaining('PARA_HUB_TOKEN'),
    });
    const wrong = await fromHub({}, 'hf_wrongwrongwrong').catch((cause) => cause);
    expect(wrong).toMatchObject({ code: 'download' });
    expect(wrong.describe()).not.toContain('hf_wrongwrongwrong');
    const storage = await new HubServer(hub.files).start();
    hub.storage = storage;
    await fromHub({}, token);
    expect(storage.seen.length).toBeGreaterThan(4);
    expect(storage.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
    expect(hub.seen.some(({ authorization }) => authorization === `Bearer ${token}`)).toBe(true);
    for (const [name, bytes] of filesOf(home)) expect([name, bytes.includes(token)]).toEqual([name, false]);
    storage.stop();
  });

  it('waits out a server that is busy, and says what is not there', async () => {
    hub.stumbles = [503, 429, 500];
    await fromHub({ name: 'patient' });
    hub.files.delete('unet/model.onnx');
    await expect(fromHub()).rejects.toMatchObject({ code: 'base' });
    await expect(
      importRemote({ kind: 'hub', repository: 'no/model', endpoint: hub.origin }),
    ).rejects.toMatchObject({ code: 'download', message: expect.stringContaining('404') });
    expect(deleteBase('patient')).toBeGreaterThan(1_000_000);
  });
});

describe('a base in an archive', () => {
  const folder = join(work, 'packed');
  const bytesOf = async (name: string): Promise<Buffer> => {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, name);
    if (name.endsWith('.zip')) writeFileSync(file, zipOf(filesOf(optimum)));
    else await create({ file, gzip: name.endsWith('gz'), cwd: join(optimum, '..') }, ['tiny-optimum']);
    return readFileSync(file);
  };

  it.each(['base.tar', 'base.tar.gz', 'base.zip'])('is taken from a %s, cut on its way', async (name) => {
    const bytes = await bytesOf(name);
    hub.files.set(name, bytes);
    hub.cuts = [20_000, 30_000];
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const source = parseRemote(`${hub.origin}/stored/${name}#sha256=${sha256}`)!;
    const base = await importRemote(source, { name: 'packed' });
    expect(base).toMatchObject({ name: 'packed', hash: openBase(optimum).hash });
    expect(readdirSync(join(home, 'downloads'))).toEqual([]);
  });

  it('is refused when it is damaged, none, or of another hash', async () => {
    const whole = await bytesOf('base.tar.gz');
    hub.files.set('torn.tar.gz', whole.subarray(0, whole.length / 2));
    hub.files.set('none.zip', Buffer.from('no archive at all'));
    const take = (name: string) => importRemote(parseRemote(`${hub.origin}/stored/${name}`)!);
    await expect(take('torn.tar.gz')).rejects.toMatchObject({ code: 'download' });
    await expect(take('none.zip')).rejects.toMatchObject({ code: 'download' });
    await expect(take(`torn.tar.gz#sha256=${'0'.repeat(64)}`)).rejects.toMatchObject({ code: 'download' });
    expect(existsSync(join(home, 'bases'))).toBe(false);
  });

  it('writes nothing outside its folder, whatever its names say', async () => {
    const evil = join(work, 'evil');
    mkdirSync(join(evil, 'unet'), { recursive: true });
    for (const name of ['unet/model.onnx', 'escape.json']) writeFileSync(join(evil, name), 'evil');
    const file = join(work, 'evil.tar');
    const prefix = '../../../escaped/';
    await create({ file, cwd: evil, prefix, preservePaths: true }, ['unet/model.onnx', 'escape.json']);
    hub.files.set('evil.tar', readFileSync(file));
    await expect(importRemote(parseRemote(`${hub.origin}/stored/evil.tar`)!)).rejects.toMatchObject({
      code: expect.stringMatching(/^(base|model-file)$/),
    });
    expect(existsSync(join(work, 'escaped'))).toBe(false);
    expect(existsSync(join(home, 'escaped'))).toBe(false);
  });
});

it('tells addresses, models of a hub and paths apart, and refuses what is not safe to fetch', () => {
  expect(parseRemote('stabilityai/sdxl-turbo')).toEqual({
    kind: 'hub',
    repository: 'stabilityai/sdxl-turbo',
  });
  expect(parseRemote('https://hub.example/owner/name')).toEqual({
    kind: 'hub',
    repository: 'owner/name',
    endpoint: 'https://hub.example',
  });
  expect(parseRemote('https://files.example/a/b.zip')).toEqual({
    kind: 'url',
    url: 'https://files.example/a/b.zip',
  });
  for (const path of ['./base', '/srv/base', 'base', 'a/b/c']) expect(parseRemote(path)).toBeUndefined();
  for (const address of [
    'http://files.example/b.zip',
    'ftp://files.example/b.zip',
    'https://user:secret@files.example/b.zip',
    'https://files.example/some/page/more',
  ]) {
    expect(() => parseRemote(address)).toThrow(expect.objectContaining({ code: 'settings' }));
    try {
      parseRemote(address);
    } catch (cause) {
      expect(String((cause as { describe(): string }).describe())).not.toContain('secret');
    }
  }
});

it('gives a token of the environment to the hub it is for, never to one that only an address names', () => {
  const before = { ...process.env };
  const [usual, other] = ['https://huggingface.co', 'https://elsewhere.example'];
  try {
    delete process.env.HF_ENDPOINT;
    delete process.env.PARA_HUB_ENDPOINT;
    process.env.HF_TOKEN = 'theirs';
    expect([usual, other].map((hub) => tokenFor(hub, false))).toEqual(['theirs', undefined]);
    expect(tokenFor(other, true)).toBeUndefined();
    process.env.PARA_HUB_TOKEN = 'own';
    expect([usual, other].map((hub) => tokenFor(hub, false))).toEqual(['own', undefined]);
    expect(tokenFor(other, true)).toBe('own');
    process.env.PARA_HUB_ENDPOINT = other;
    expect([usual, other].map((hub) => tokenFor(hub, false))).toEqual(['theirs', 'own']);
  } finally {
    process.env = before;
  }
});
