import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { openBase } from '../../src/diffusion/base.ts';
import {
  checkHostBase,
  type HostImportProgress,
  importBaseOnHost,
  listHostBases,
} from '../../src/hosts/remote-bases.ts';
import { HostSession } from '../../src/hosts/session.ts';
import { parseRemote } from '../../src/hub/source.ts';
import { checkpointGolden, writeCheckpoint, writeDiffusersFolder } from '../diffusion/random-checkpoint.ts';
import { filesOf, HubServer } from '../hub/server.ts';
import { checkout, localHost } from './agent-host.ts';

const work = mkdtempSync(join(tmpdir(), 'para-base-download-'));
const root = join(work, 'host');
const host = localHost('there', root, join(work, 'here'));
const optimum = join(checkout, 'remote-agent/test/golden/bases/tiny-optimum');
const token = 'hf_onlyforthehub';
let hub: HubServer;
let session: HostSession;

beforeAll(async () => {
  hub = await new HubServer(filesOf(optimum)).start();
  hub.token = token;
  session = await HostSession.open(host);
});
afterAll(() => {
  hub.stop();
  session.close();
  rmSync(work, { recursive: true, force: true });
});
const source = () => ({ kind: 'hub', repository: 'owner/name', endpoint: hub.origin, token }) as const;

function writtenCheckpoint(path: string): Buffer {
  writeCheckpoint(path, checkpointGolden('sd').tensors);
  return readFileSync(path);
}

/** Whether any process on this machine shows the text in its arguments or environment. */
function isSeenInProcesses(text: string): boolean {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .some((pid) =>
      ['cmdline', 'environ'].some((file) => {
        try {
          return readFileSync(join('/proc', pid, file), 'utf8').includes(text);
        } catch {
          // It has ended, or is another user's.
          return false;
        }
      }),
    );
}

it('is done by the host, with progress, while it answers other requests', async () => {
  const seen: HostImportProgress[] = [];
  let done = false;
  let shown = false;
  const base = importBaseOnHost(session, source(), (p) => {
    seen.push(p);
    if (p.phase === 'downloading') shown ||= isSeenInProcesses(token);
  }).then((info) => {
    done = true;
    return info;
  });
  await session.call('ping', {});
  expect(done).toBe(false);
  expect(await base).toMatchObject({ name: 'name', hash: openBase(optimum).hash });
  expect(seen.some((p) => p.phase === 'downloading' && p.totalBytes !== undefined)).toBe(true);
  expect(shown).toBe(false);
  expect((await listHostBases(session)).map((b) => b.name)).toContain('name');
});

it('writes the token nowhere on the host, and says it in no error', async () => {
  const failures: unknown[] = [];
  const wrong = 'hf_anotherwrongtoken';
  for (const bad of [
    { ...source(), token: wrong },
    { ...source(), endpoint: `${hub.origin}/elsewhere` },
    { ...source(), repository: 'no-owner' },
    { ...source(), token: `${wrong}\n` },
  ])
    failures.push(await importBaseOnHost(session, bad, () => {}, { name: 'never' }).catch((cause) => cause));
  for (const failure of failures) {
    expect(failure).toBeInstanceOf(ParaError);
    const said =
      JSON.stringify(failure, Object.getOwnPropertyNames(failure)) + (failure as ParaError).describe();
    expect(said).not.toMatch(/hf_(only|another)/);
  }
  for (const [name, bytes] of filesOf(root))
    expect([name, bytes.includes(token) || bytes.includes(wrong)]).toEqual([name, false]);
});

it('is cancelled at once, and goes on where it was', async () => {
  const control = new AbortController();
  const first = importBaseOnHost(
    session,
    source(),
    (p) => {
      if (p.phase === 'downloading' && p.file !== 'model_index.json') control.abort();
    },
    { name: 'again', signal: control.signal },
  );
  await expect(first).rejects.toMatchObject({ code: 'cancelled' });
  expect(readdirSync(join(root, 'bases'))).toEqual(['name']);
  hub.seen.length = 0;
  await importBaseOnHost(session, source(), () => {}, { name: 'again' });
  expect(hub.seen.length).toBeLessThan(filesOf(optimum).size + 2);
  expect(readdirSync(join(root, 'downloads'))).toEqual([]);
});

it('takes a folder of diffusers of a hub, and a checkpoint of an address, as bases that need nothing else', async () => {
  const folder = join(work, 'diffusers');
  writeDiffusersFolder(folder, 'sd', { dtype: 'F16', variant: '.fp16' });
  const files = filesOf(folder);
  files.set('unet/diffusion_pytorch_model.bin', Buffer.from('a pickle'));
  files.set('single.safetensors', writtenCheckpoint(join(work, 'single.safetensors')));
  const other = await new HubServer(files).start();
  try {
    const seen: HostImportProgress[] = [];
    const from = { kind: 'hub', repository: 'owner/name', endpoint: other.origin } as const;
    const made = await importBaseOnHost(session, from, (p) => void seen.push(p), { name: 'diffusers' });
    expect(made).toMatchObject({ name: 'diffusers', architecture: 'sd' });
    expect(seen.find(({ phase }) => phase === 'downloading')).toMatchObject({ doneBytes: 0 });
    expect(other.seen.some(({ path }) => path.endsWith('.bin'))).toBe(false);
    for (const place of [
      `${other.origin}/stored/single.safetensors`,
      `${other.origin}/owner/name/blob/main/single.safetensors`,
    ]) {
      const name = place.includes('blob') ? 'of-hub' : 'of-address';
      const base = await importBaseOnHost(session, parseRemote(place)!, () => {}, { name });
      expect(base.problem).toBeUndefined();
      expect(base.architecture).toBe('sd');
    }
  } finally {
    other.stop();
  }
  const check = await checkHostBase(session, 'of-address', true);
  expect(check.problems).toEqual([]);
  expect(check.weights?.map(({ file }) => file)).toEqual(['single.safetensors']);
});
