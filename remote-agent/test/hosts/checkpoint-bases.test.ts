import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { importBase } from '../../src/diffusion/base-import.ts';
import {
  checkHostBase,
  deleteHostBase,
  type HostImportProgress,
  importBaseOnHost,
} from '../../src/hosts/remote-bases.ts';
import { ownHome } from '../diffusion/checkpoint-outputs.ts';
import { checkpointGolden, writeCheckpoint, writeDiffusersFolder } from '../diffusion/random-checkpoint.ts';
import { localHost, sessionsTo } from './agent-host.ts';
import { cutOffImport } from './run-checks.ts';

const work = mkdtempSync(join(tmpdir(), 'para-host-checkpoints-'));
const root = join(work, 'host');
const host = localHost('there', root, join(work, 'here'));
ownHome();

const { open, close } = sessionsTo(host);
afterAll(() => {
  close();
  rmSync(work, { recursive: true, force: true });
});

const { tensors } = checkpointGolden('sd');
const parts = (pattern: RegExp) =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => pattern.test(name)));

it('imports a checkpoint that lies on the host, parts of others included, and leaves it where it is', async () => {
  const [whole, pruned, vae] = ['whole', 'pruned', 'vae'].map((name) => join(work, `${name}.safetensors`));
  writeCheckpoint(whole!, tensors);
  writeCheckpoint(pruned!, parts(/^model\./), 'F16');
  writeCheckpoint(vae!, parts(/^first_stage_model\./));
  const session = await open();
  expect(await importBaseOnHost(session, { kind: 'path', path: whole! })).toMatchObject({ name: 'whole' });
  const incomplete = importBaseOnHost(session, { kind: 'path', path: pruned! });
  await expect(incomplete).rejects.toMatchObject({ hint: expect.stringContaining('--text-encoders') });
  const source = { kind: 'path', path: pruned!, vae: vae!, textEncoders: 'whole' } as const;
  const base = await importBaseOnHost(session, source);
  expect(base).toMatchObject({ name: 'pruned', architecture: 'sd' });
  const { weights, problems } = await checkHostBase(session, 'pruned', true);
  expect(problems).toEqual([]);
  expect(weights!.map(({ file }) => file).sort()).toEqual(
    ['pruned', 'vae', 'whole'].map((name) => `${name}.safetensors`),
  );
  const sha256 = createHash('sha256').update(readFileSync(pruned!)).digest('hex');
  expect(weights).toContainEqual(expect.objectContaining({ file: 'pruned.safetensors', sha256 }));
  expect(await deleteHostBase(session, 'pruned')).toBeLessThan(10e6);
  expect(statSync(pruned!).isFile()).toBe(true);
});

it('takes a checkpoint from here, goes on where it was cut off, and then needs nothing from here', async () => {
  const path = join(work, 'My Model (v1).safetensors');
  writeCheckpoint(path, tensors, 'F16');
  const { size } = statSync(path);
  const here = importBase(path, 'mine');
  const isTime = ({ file, doneBytes }: HostImportProgress) =>
    file?.endsWith('.safetensors') === true && doneBytes > size / 2;
  await cutOffImport(await open(), path, isTime, { name: 'sent' });
  const session = await open();
  const seen: HostImportProgress[] = [];
  const base = await importBaseOnHost(session, { kind: 'here', path }, (p) => void seen.push(p), {
    name: 'sent',
  });
  expect(base).toMatchObject({ name: 'sent', hash: here.hash });
  const ofFile = seen.filter((p) => p.phase === 'sending' && p.file?.endsWith('.safetensors'));
  expect(ofFile.at(-1)!.doneBytes - ofFile[0]!.doneBytes, 'bytes sent the second time').toBeLessThan(size);
  rmSync(path);
  expect((await checkHostBase(session, 'sent', true)).problems).toEqual([]);
  expect(readdirSync(join(root, 'blobs'))).toEqual([]);
  expect(await deleteHostBase(session, 'sent')).toBeGreaterThan(size);
});

it('takes a folder of diffusers from here, and a base that was imported here under its name', async () => {
  const path = join(work, 'folder');
  writeDiffusersFolder(path, 'sd', { dtype: 'F16', shards: 2 });
  const here = importBase(path, 'named');
  const session = await open();
  const base = await importBaseOnHost(session, { kind: 'here', path });
  expect(base).toMatchObject({ name: 'folder', hash: here.hash });
  const again = await importBaseOnHost(session, { kind: 'here', path: 'named' });
  expect(again).toMatchObject({ name: 'named', hash: here.hash });
  expect((await checkHostBase(session, 'named')).problems).toEqual([]);
});

it('refuses a file that is no checkpoint before anything is sent', async () => {
  const path = join(work, 'notes.safetensors');
  writeFileSync(path, 'no checkpoint at all, but long enough to have a header');
  const session = await open();
  await expect(importBaseOnHost(session, { kind: 'here', path })).rejects.toMatchObject({
    code: 'safetensors',
  });
  await expect(importBaseOnHost(session, { kind: 'path', path })).rejects.toMatchObject({
    code: 'safetensors',
  });
});
