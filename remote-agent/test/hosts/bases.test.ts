import { createHash } from 'node:crypto';
import {
  cpSync,
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
import { afterAll, expect, it } from 'vitest';
import { specFor } from '../../src/cli/train.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { checkBase } from '../../src/diffusion/base-check.ts';
import {
  checkHostBase,
  deleteHostBase,
  type HostImportProgress,
  importBaseOnHost,
  listHostBases,
} from '../../src/hosts/remote-bases.ts';
import { createJob } from '../../src/jobs/job.ts';
import { enqueue } from '../../src/jobs/queue.ts';
import { checkout, localHost, sessionsTo } from './agent-host.ts';
import { cutOffImport } from './run-checks.ts';

const work = mkdtempSync(join(tmpdir(), 'para-bases-'));
const root = join(work, 'host');
const host = localHost('there', root, join(work, 'here'));
const golden = join(checkout, 'remote-agent/test/golden/bases');
const optimum = join(golden, 'tiny-optimum');

const { open, close } = sessionsTo(host);
afterAll(() => {
  close();
  rmSync(work, { recursive: true, force: true });
});

it('lists and checks bases of a host with the facts that a check there tells', async () => {
  const session = await open();
  const [shipped, ...more] = await listHostBases(session);
  const here = openBase('pocket-sdxl');
  expect(more).toEqual([]);
  expect(shipped).toMatchObject({
    name: 'pocket-sdxl',
    hash: here.hash,
    architecture: 'sdxl',
    shipped: true,
  });
  const there = await checkHostBase(session, 'pocket-sdxl');
  const report = await checkBase('pocket-sdxl');
  expect(there.problems).toEqual([]);
  expect(there.hash).toBe(report.hash);
  expect(there.memory).toEqual(report.memory);
  expect(there.parts.map((p) => [p.name, p.bytes, p.parameters])).toEqual(
    report.parts.map((p) => [p.name, p.bytes, p.parameters]),
  );
  await expect(checkHostBase(session, 'nothing')).rejects.toMatchObject({ code: 'base' });
});

it('takes a base from a folder on the host, once for one request however often it is sent', async () => {
  const session = await open();
  const source = { kind: 'path', path: optimum } as const;
  const options = { name: 'from-path', id: 'same-request' };
  const first = await importBaseOnHost(session, source, () => {}, options);
  expect(first.hash).toBe(openBase(optimum).hash);
  expect(await importBaseOnHost(session, source, () => {}, options)).toEqual(first);
  await expect(importBaseOnHost(session, source, () => {}, { name: 'from-path' })).rejects.toMatchObject({
    code: 'exists',
  });
  for (const path of ['/nowhere/at/all', 'relative/path', golden])
    await expect(importBaseOnHost(session, { kind: 'path', path })).rejects.toMatchObject({ code: 'base' });
  expect(await deleteHostBase(session, 'from-path')).toBeGreaterThanOrEqual(0);
  expect(existsSync(join(optimum, 'unet/model.onnx'))).toBe(true);
});

it('takes a base from here, goes on where it was cut off, and keeps nothing twice', async () => {
  const path = join(work, 'mine');
  cpSync(optimum, path, { recursive: true });
  writeFileSync(join(path, 'unet/diffusion_pytorch_model.safetensors'), 'weights of another tool');
  await cutOffImport(await open(), path, ({ file }) => file === 'text_encoder/model.onnx');
  const arrived = readdirSync(join(root, 'blobs')).filter((name) => /^[0-9a-f]{64}$/.test(name));
  expect(arrived).not.toEqual([]);
  // Half of another file came in before a link was lost.
  const model = readFileSync(join(path, 'vae_decoder/model.onnx'));
  const half = Math.floor(model.length / 2);
  const partial = join(root, 'blobs', `${createHash('sha256').update(model).digest('hex')}.part`);
  writeFileSync(partial, model.subarray(0, half));
  const session = await open();
  const seen: HostImportProgress[] = [];
  const base = await importBaseOnHost(session, { kind: 'here', path }, (p) => void seen.push(p));
  expect(base).toMatchObject({ name: 'mine', hash: openBase(path).hash, shipped: false });
  const ofModel = seen.filter((p) => p.phase === 'sending' && p.file === 'vae_decoder/model.onnx');
  expect(ofModel.at(-1)!.doneBytes - ofModel[0]!.doneBytes).toBe(model.length - half);
  expect(seen.filter((p) => p.phase === 'sending').at(-1)).toMatchObject({ doneBytes: seen[0]!.totalBytes });
  expect(readdirSync(join(root, 'blobs'))).toEqual([]);
  expect(readdirSync(join(root, 'downloads'))).toEqual([]);
  expect(existsSync(join(root, 'bases/mine/unet/diffusion_pytorch_model.safetensors'))).toBe(false);
  expect(await deleteHostBase(session, 'mine')).toBeGreaterThan(1_000_000);
  expect((await listHostBases(session)).map((b) => b.name)).toEqual(['pocket-sdxl']);
});

it('leaves nothing of an upload that is no base', async () => {
  const session = await open();
  const file = join(work, 'not-a-model');
  writeFileSync(file, 'not a model');
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  await (await session.blobs()).put(file, sha256);
  const files = ['unet/model.onnx', 'model_index.json'].map((path) => ({ path, sha256 }));
  await expect(
    importBaseOnHost(session, { kind: 'upload', files }, () => {}, { name: 'broken' }),
  ).rejects.toMatchObject({ code: expect.stringMatching(/^(base|model-file)$/) });
  for (const path of ['../../escape', '/etc/passwd', 'unet/../../escape', 'a/b/c'])
    await expect(
      importBaseOnHost(session, { kind: 'upload', files: [{ path, sha256 }] }, () => {}, { name: 'x' }),
    ).rejects.toMatchObject({ code: 'protocol' });
  expect(readdirSync(join(root, 'bases'))).toEqual([]);
});

it('refuses to delete a base that came with the agent, or that a waiting job needs', async () => {
  const session = await open();
  await expect(deleteHostBase(session, 'pocket-sdxl')).rejects.toMatchObject({ code: 'base' });
  expect(await deleteHostBase(session, 'never-was')).toBe(0);
  await importBaseOnHost(session, { kind: 'path', path: optimum }, () => {}, { name: 'needed' });
  const before = process.env.PARA_HOME;
  process.env.PARA_HOME = root;
  try {
    const subject = join(work, 'subject.para.json');
    const pictures = [join(checkout, 'examples/robot/robot-1.png')];
    writeFileSync(subject, JSON.stringify({ pictures, class: 'robot', base: 'needed' }));
    mkdirSync(join(root, 'runs'), { recursive: true });
    const directory = join(root, 'runs/waiting');
    createJob(directory, specFor(subject, {}, '2026-01-02T03:04:05.000Z'));
    enqueue(directory, 'test');
  } finally {
    if (before === undefined) delete process.env.PARA_HOME;
    else process.env.PARA_HOME = before;
  }
  await expect(deleteHostBase(session, 'needed')).rejects.toMatchObject({
    code: 'locked',
    message: expect.stringContaining('waiting'),
  });
  rmSync(join(root, 'runs/waiting'), { recursive: true });
  expect(await deleteHostBase(session, 'needed')).toBeGreaterThanOrEqual(0);
});

it('answers other requests at once while a base is checked', async () => {
  const session = await open();
  let checked = false;
  const check = checkHostBase(session, 'pocket-sdxl').then(() => {
    checked = true;
  });
  for (let i = 0; i < 5; i++) await session.call('ping', {});
  expect(checked).toBe(false);
  await check;
});
