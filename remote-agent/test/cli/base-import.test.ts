import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openBase } from '../../src/diffusion/base.ts';
import { checkpointGolden, writeCheckpoint } from '../diffusion/random-checkpoint.ts';
import { checkout, Para } from '../hosts/agent-host.ts';
import { filesOf, HubServer } from '../hub/server.ts';

const work = mkdtempSync(join(tmpdir(), 'para-base-import-'));
const home = join(work, 'home');
const optimum = join(checkout, 'remote-agent/test/golden/bases/tiny-optimum');
afterAll(() => rmSync(work, { recursive: true, force: true }));

it('takes a base of a hub by owner and name, with the token of the environment, which it does not show', async () => {
  const hub = await new HubServer(filesOf(optimum)).start();
  hub.token = 'hf_tokenoftheenvironment';
  const args = ['base', 'import', 'owner/name', '--name', 'mine', '--endpoint', hub.origin];
  const refused = new Para(home, args);
  expect(await refused.done).toBe(1);
  expect(refused.stderr).toContain('PARA_HUB_TOKEN');
  process.env.PARA_HUB_TOKEN = hub.token;
  try {
    const said = await Para.run(home, args);
    expect(said).toContain('imported mine');
    expect(said).not.toContain(hub.token);
  } finally {
    delete process.env.PARA_HUB_TOKEN;
    hub.stop();
  }
  expect(readdirSync(join(home, 'bases'))).toEqual(['mine']);
  expect(openBase(join(home, 'bases/mine')).hash).toBe(openBase(optimum).hash);
});

it('takes a checkpoint with parts of others, and check --full tells by which hashes other tools know it', async () => {
  const { tensors } = checkpointGolden('sd');
  const [whole, pruned] = [join(work, 'whole.safetensors'), join(work, 'pruned.safetensors')];
  writeCheckpoint(whole, tensors);
  const unet = Object.entries(tensors).filter(([name]) => name.startsWith('model.diffusion_model.'));
  writeCheckpoint(pruned, Object.fromEntries(unet));
  await Para.run(home, ['base', 'import', whole]);
  const parts = ['--vae', whole, '--text-encoders', 'whole'];
  expect(await Para.run(home, ['base', 'import', pruned, ...parts])).toContain('imported pruned');
  const said = await Para.run(home, ['base', 'check', 'pruned', '--full']);
  for (const file of [whole, pruned]) {
    const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
    expect(said).toContain(`sha256 ${sha256}`);
    expect(said).toContain(`AutoV2 ${sha256.slice(0, 10)}`);
  }
  const remote = new Para(home, ['base', 'import', 'owner/name', '--vae', whole]);
  expect(await remote.done).toBe(1);
  expect(remote.stderr).toContain('Only a checkpoint');
});

it('takes a checkpoint from an address, and says before how much that is', async () => {
  const path = join(work, 'served.safetensors');
  writeCheckpoint(path, checkpointGolden('sd').tensors, 'F16');
  const hub = await new HubServer(new Map([['served.safetensors', readFileSync(path)]])).start();
  try {
    const said = await Para.run(home, ['base', 'import', `${hub.origin}/stored/served.safetensors`]);
    const size = `${(statSync(path).size / 1e6).toFixed(1)} MB`;
    expect(said.indexOf(`to download: ${size}`)).toBeGreaterThanOrEqual(0);
    expect(said.indexOf('imported served')).toBeGreaterThan(said.indexOf('to download'));
  } finally {
    hub.stop();
  }
  rmSync(path);
  expect(await Para.run(home, ['base', 'check', 'served'])).toContain('everything works');
});

it('goes through the proxy that the environment names', async () => {
  const hub = await new HubServer(filesOf(optimum)).start();
  const { origin } = hub;
  const asked: string[] = [];
  const proxy = createServer().on('connect', (request, client, head) => {
    asked.push(request.url!);
    const [host, port] = request.url!.split(':');
    const server = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      server.write(head);
      server.pipe(client).pipe(server);
    });
    for (const end of [client, server]) end.on('error', () => {});
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  process.env.HTTP_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  try {
    await Para.run(home, ['base', 'import', 'owner/name', '--name', 'proxied', '--endpoint', origin]);
  } finally {
    delete process.env.HTTP_PROXY;
    hub.stop();
    proxy.close();
  }
  expect(new Set(asked)).toEqual(new Set([new URL(origin).host]));
  expect(openBase(join(home, 'bases/proxied')).hash).toBe(openBase(optimum).hash);
});
